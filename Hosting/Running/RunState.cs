namespace Dvis.Streaming.Hosting.Running;

/// <summary>Where the run stands; read by the health checks and, at the end, for the exit code. Thread-safe.</summary>
internal sealed class RunState
{
    private readonly Lock _lock = new();
    private readonly List<string> _failures = [];
    private volatile bool _ready, _over;

    /// <summary>The model is loaded and the sinks are started.</summary>
    public bool Ready
    {
        get => _ready;
        set => _ready = value;
    }

    /// <summary>Everything that was running has ended.</summary>
    public bool Over
    {
        get => _over;
        set => _over = value;
    }

    /// <summary>What went wrong for good, one sentence each; empty after a good run.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_lock) return [.. _failures];
        }
    }

    public void Fail(string reason)
    {
        lock (_lock) _failures.Add(reason);
    }
}
