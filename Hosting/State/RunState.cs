using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.State;

/// <summary>Where the run stands; read by the health checks and, at the end, for the exit code. Thread-safe.</summary>
internal sealed class RunState
{
    private readonly Lock _lock = new();
    private readonly List<(string Reason, string? Camera)> _failures = [];
    private readonly ConcurrentDictionary<string, ImmutableArray<CameraWarning>> _warnings = new();
    private volatile bool _ready, _over;
    private volatile ReloadReport? _reload;

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

    /// <summary>The last attempt to take over a changed configuration; null before the first.</summary>
    public ReloadReport? Reload
    {
        get => _reload;
        set => _reload = value;
    }

    /// <summary>What went wrong for good, one sentence each; empty after a good run.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_lock) return [.. _failures.Select(f => f.Reason)];
        }
    }

    /// <summary>What a person should change about a camera that works; empty: nothing.</summary>
    public ImmutableArray<CameraWarning> Warnings(string camera) => _warnings.GetValueOrDefault(camera, []);

    /// <summary>Replaces the warnings about a camera; none when it is removed.</summary>
    public void Warn(string camera, ImmutableArray<CameraWarning> warnings)
    {
        if (warnings.IsEmpty) _warnings.TryRemove(camera, out _);
        else _warnings[camera] = warnings;
    }

    /// <param name="camera">Whose failure it is, or null.</param>
    public void Fail(string reason, string? camera = null)
    {
        lock (_lock) _failures.Add((reason, camera));
    }

    /// <summary>The camera is gone, or begins anew: what was wrong with it no longer is.</summary>
    public void Forgive(string camera)
    {
        lock (_lock) _failures.RemoveAll(f => f.Camera == camera);
    }
}
