using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// glibc gives threads heaps of their own, keeps in them what they once needed, and lets its threshold for giving large
/// blocks back grow with the blocks: in a process that runs graphs on changing threads, resident memory creeps up for
/// hours. Two heaps and a fixed threshold are enough here, since the hot path allocates nothing.
/// </summary>
public static partial class NativeHeap
{
    // M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
    private const int ArenaMax = -8, MmapThreshold = -3, TrimThreshold = -1;

    /// <summary>Larger blocks are mapped by themselves and returned when freed.</summary>
    private const int LargeBlock = 256 * 1024;

    /// <summary>Call before the first thread is started. Where there is no glibc, nothing happens.</summary>
    public static void Limit()
    {
        try
        {
            _ = mallopt(ArenaMax, 2);
            _ = mallopt(MmapThreshold, LargeBlock);
            _ = mallopt(TrimThreshold, LargeBlock);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another C library manages its heaps otherwise.
        }
    }

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);
}
