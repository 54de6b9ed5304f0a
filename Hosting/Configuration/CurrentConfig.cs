namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Configuration in force. Thread-safe.</summary>
internal sealed class CurrentConfig(LoadedConfig initial)
{
    private volatile State _state = new(initial, initial.Secrets);

    public LoadedConfig Value => _state.Config;

    public StreamingOptions Options => Value.Options;

    /// <summary>Texts that must never be printed, also those of the previous configuration: its last log entries may
    /// still be on their way.</summary>
    public IReadOnlyCollection<string> Secrets => _state.Secrets;

    public void Replace(LoadedConfig next) => _state = new(next, [.. Value.Secrets.Union(next.Secrets)]);

    private sealed record State(LoadedConfig Config, IReadOnlyCollection<string> Secrets);
}
