using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Hosting.State;

/// <summary>Outcomes of an attempt to take over a changed configuration.</summary>
internal enum ReloadOutcome
{
    Applied,

    /// <summary>The files have the configuration that is in force.</summary>
    Unchanged,

    /// <summary>The configuration has errors; the old one stays in force, as after the two below.</summary>
    Invalid,

    /// <summary>A change needs a restart.</summary>
    Refused,

    /// <summary>An unexpected error.</summary>
    Failed,
}

/// <summary>Attempt to take over a changed configuration.</summary>
/// <param name="Detail">For a person, without secrets; one line per error.</param>
internal sealed record ReloadReport(ReloadOutcome Outcome, DateTimeOffset At, string Detail)
{
    public bool Successful => Outcome is ReloadOutcome.Applied or ReloadOutcome.Unchanged;
}

/// <summary>A model that is loaded.</summary>
/// <param name="Provider">Execution provider of its segmenter, such as <c>cpu</c>.</param>
internal sealed record RunningModel(ModelManifest Manifest, string Precision, string Provider);

/// <summary>State of the run: health, console, metrics, summary and the exit code read it. Thread-safe.</summary>
internal sealed class RunState(MqttStatus mqtt, TimeProvider time)
{
    private readonly Lock _gate = new(); // around _failures and _reloads
    private readonly List<string> _failures = [];
    private readonly Dictionary<ReloadOutcome, long> _reloads = [];
    private ReloadReport _loaded = new(ReloadOutcome.Applied, time.GetUtcNow(), "at the start");

    /// <summary>Cameras of the configuration in force, sorted by name; empty until the model is loaded.</summary>
    public IReadOnlyList<CameraBoard> Cameras
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, [.. value.OrderBy(c => c.Name, StringComparer.Ordinal)]);
    } = [];

    public MqttStatus Mqtt => mqtt;

    /// <summary>The model that runs; null until it is loaded.</summary>
    public RunningModel? Model { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>True when the model is loaded and the sinks are started.</summary>
    public bool Ready { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>True when all cameras and sinks have ended.</summary>
    public bool Over { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Last attempt to take over a changed configuration; null before the first.</summary>
    public ReloadReport? Reload { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); }

    /// <summary>When the configuration in force was loaded.</summary>
    public DateTimeOffset Loaded => Volatile.Read(ref _loaded).At;

    /// <summary>Permanent failures, one sentence each; empty after a good run.</summary>
    public IReadOnlyList<string> Failures
    {
        get
        {
            var cameras = Cameras.Where(c => c.Run == CameraRun.Failed).Select(c => $"camera {c.Name} failed for good");
            lock (_gate) return [.. cameras, .. _failures];
        }
    }

    /// <summary>Attempts with this outcome.</summary>
    public long Reloads(ReloadOutcome outcome)
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
