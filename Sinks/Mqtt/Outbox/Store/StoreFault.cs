namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Why the disk did not take or give something; in metrics and logs in snake case.</summary>
internal enum StoreFault
{
    DiskFull,
    ReadOnly,
    Denied,
    Busy,
    IoError,
}

internal static class StoreFaults
{
    /// <summary>The runtime passes errno on as the HResult where it has no code of its own (Linux numbers).</summary>
    public static StoreFault Of(Exception e) => e is UnauthorizedAccessException ? StoreFault.Denied : e.HResult switch
    {
        28 or 122 => StoreFault.DiskFull, // ENOSPC, EDQUOT
        30 => StoreFault.ReadOnly,        // EROFS
        11 => StoreFault.Busy,            // EWOULDBLOCK
        _ => StoreFault.IoError,
    };
}
