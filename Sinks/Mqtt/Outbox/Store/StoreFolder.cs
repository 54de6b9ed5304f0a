using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>Where the outbox lies.</summary>
internal static class StoreFolder
{
    /// <summary>Null: in memory only.</summary>
    public static string? PathOf(MqttOutboxOptions options)
    {
        if (!string.IsNullOrEmpty(options.Path)) return options.Path;
        // systemd.exec(5): several are separated by colons.
        return Environment.GetEnvironmentVariable("STATE_DIRECTORY") is { Length: > 0 } state
            ? Path.Combine(state.Split(':')[0], "outbox")
            : null;
    }

    /// <exception cref="InvalidOperationException">The folder cannot be used; it is named.</exception>
    public static IStoreFolder Open(string path)
    {
        try
        {
            return new DiskFolder(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var why = StoreFaults.Of(e) == StoreFault.Busy ? "another process uses it" : e.Message;
            throw new InvalidOperationException($"mqtt.outbox.path: {path} cannot be used: {why}", e);
        }
    }
}
