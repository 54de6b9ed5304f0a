using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>
/// Limits of the heaps of glibc. It has heaps per thread, keeps their memory, and raises its threshold for returning
/// large blocks: resident memory of a process with graphs on changing threads grows for hours. Two heaps and a fixed
/// threshold are enough, since the hot path allocates nothing.
/// </summary>
public static partial class NativeHeap
{
    // M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of malloc.h
    private const int ArenaMax = -8, MmapThreshold = -3, TrimThreshold = -1;

    private const int LargeBlock = 256 * 1024; // bytes from which a block is mapped by itself and returned when freed

    /// <summary>Sets the limits, before the first thread is started. Without glibc it does nothing.</summary>
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
