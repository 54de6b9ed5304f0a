using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Hosting.State;

/// <summary>State of the run: health, console, metrics, summary and the exit code read it. Thread-safe.</summary>
internal sealed class RunState(MqttStatus mqtt, TimeProvider time)
{
    private readonly Lock _gate = new(); // around the two below
    private readonly List<string> _failures = [];
    private readonly Dictionary<string, long> _reloads = [];
    private ReloadReport _loaded = new("applied", time.GetUtcNow(), "at the start");

    /// <summary>Cameras of the configuration in force, sorted by name; empty until the model is loaded.</summary>
    public IReadOnlyList<CameraBoard> Cameras
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, [.. value.OrderBy(c => c.Name, StringComparer.Ordinal)]);
    } = [];

    public MqttStatus Mqtt => mqtt;

    /// <summary>The model is loaded and the sinks are started.</summary>
    public bool Ready { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Everything that was running has ended.</summary>
    public bool Over { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Last attempt to take over a changed configuration; null before the first.</summary>
    public ReloadReport? Reload { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); }

    /// <summary>When the configuration in force was loaded.</summary>
    public DateTimeOffset Loaded => Volatile.Read(ref _loaded).At;

    /// <summary>What failed for good, one sentence each; empty after a good run.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            var cameras = Cameras.Where(c => c.Run == CameraRun.Failed).Select(c => $"camera {c.Name} failed for good");
            lock (_gate) return [.. cameras, .. _failures];
        }
    }

    /// <summary>Attempts to take over a changed configuration.</summary>
    public long Reloads(string outcome)
    {
        lock (_gate) return _reloads.GetValueOrDefault(outcome);
    }

    public void Reloaded(ReloadReport report)
    {
        lock (_gate)
        {
            _reloads[report.Outcome] = _reloads.GetValueOrDefault(report.Outcome) + 1;
            if (report.Successful) Volatile.Write(ref _loaded, report);
            Reload = report;
        }
    }

    public void Fail(string reason)
    {
        lock (_gate) _failures.Add(reason);
    }
}
