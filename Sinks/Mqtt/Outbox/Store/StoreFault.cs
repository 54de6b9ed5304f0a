namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Cause of a failure of the disk; in metrics and logs in snake case.</summary>
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
    /// <summary>Fault of an exception; its HResult is errno where the runtime has no code of its own.</summary>
    public static StoreFault Of(Exception e) => e is UnauthorizedAccessException ? StoreFault.Denied : e.HResult switch
    {
        28 or 122 => StoreFault.DiskFull, // ENOSPC, EDQUOT
        30 => StoreFault.ReadOnly,        // EROFS
        11 => StoreFault.Busy,            // EWOULDBLOCK
        _ => StoreFault.IoError,
    };
}
