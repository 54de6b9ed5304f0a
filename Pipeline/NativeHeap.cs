using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline;

/// <summary>
/// glibc gives threads heaps of their own, and each keeps what it once needed: in a process that runs graphs on changing pool
/// threads, resident memory creeps up for hours. Two heaps are enough here, since the hot path allocates nothing.
/// </summary>
public static partial class NativeHeap
{
    private const int ArenaMax = -8; // M_ARENA_MAX of malloc.h

    /// <summary>Call before the first thread is started. Where there is no glibc, nothing happens.</summary>
    public static void LimitArenas()
    {
        try
        {
            _ = mallopt(ArenaMax, 2);
        }
        catch (Exception e) when (e is EntryPointNotFoundException or DllNotFoundException)
        {
            // Another C library manages its heaps otherwise.
        }
    }

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);
}
