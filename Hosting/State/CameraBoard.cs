using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Hosting.State;

/// <summary>State of a camera's run.</summary>
internal enum CameraRun
{
    /// <summary>The pipeline runs, or will be restarted.</summary>
    Running,

    /// <summary>The stream has ended, or the camera was stopped.</summary>
    Ended,

    /// <summary>The source cannot be read, or the pipeline failed too often; there is no further attempt.</summary>
    Failed,
}

/// <summary>Status board of a camera, kept while the configuration has one of this name. Thread-safe.</summary>
internal sealed class CameraBoard
{
    private readonly KeyValuePair<string, object?> _tag;
    private readonly RecentWindow _window;
    private volatile CameraRun _run;

    public CameraBoard(CameraMetrics metrics, TimeProvider time)
    {
        (Metrics, _tag, _window) = (metrics, Tag("camera", metrics.Camera), new(metrics.Tally, time));
        metrics.Meter.CreateObservableGauge("dvis.camera.up", () => Is(IsUp), null, "1 while frames arrive.");
        metrics.Meter.CreateObservableGauge(
            "dvis.camera.state",
            () => Enum.GetValues<CameraState>().Select(s => Is(s == State, Tag("state", EnumName.Of(s)))), null,
            "1 for the state the camera is in.");
    }

    public string Name => Metrics.Camera;

    public CameraMetrics Metrics { get; }

    /// <summary>Counts since the name was added.</summary>
    public CameraTally Counts => Metrics.Tally;

    /// <summary>Figures of the last ten seconds.</summary>
    public RecentFigures Recent { get => Volatile.Read(ref field); private set => Volatile.Write(ref field, value); } =
        RecentFigures.None;

    public CameraRun Run { get => _run; set => _run = value; }

    /// <summary>Last status; null until the source reports one.</summary>
    public CameraStatus? Status { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Epoch of the last provisional result; null before the first.</summary>
    public string? Epoch { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Frame of the last provisional result; null before the first.</summary>
    public FrameInfo? LastFrame { get => Volatile.Read(ref field); set => Volatile.Write(ref field, value); }

    /// <summary>Tracks inside each zone, by the last provisional result.</summary>
    public IReadOnlyList<ZoneCount> Inside
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    } = [];

    /// <summary>Zones by name, as they are configured.</summary>
    public IReadOnlyDictionary<string, ZoneOptions> Zones { get; private set; } = new Dictionary<string, ZoneOptions>();

    /// <summary>Lines by name, as they are configured.</summary>
    public IReadOnlyDictionary<string, LineOptions> Lines { get; private set; } = new Dictionary<string, LineOptions>();

    /// <summary>Warnings about a camera that works; set before it starts.</summary>
    public ImmutableArray<CameraWarning> Warnings { get; private set; } = [];

    public CameraState State => Status?.State ?? CameraState.Starting;

    /// <summary>True while online or starting, but not while waiting for a key frame; also after the end of a file and
    /// while disabled by a command.</summary>
    public bool IsWell => HasEnded || State is CameraState.Online or CameraState.Disabled
        || (State == CameraState.Starting && Status?.Detail is null);

    /// <summary>True when the stream is over and nothing has failed.</summary>
    public bool HasEnded => Run == CameraRun.Ended && State != CameraState.Disabled;

    /// <summary>True when the stream is over and its last frames have no results yet.</summary>
    public bool IsFinishing => Run == CameraRun.Running
        && Status is { State: CameraState.Offline, IsFailure: false, NextRetrySeconds: null };

    /// <summary>Clears all but the counts for a camera that starts with another configuration.</summary>
    public void Restart(ImmutableArray<CameraWarning> warnings)
    {
        (Run, Status, Epoch, LastFrame, Warnings) = (CameraRun.Running, null, null, null, warnings);
        Metrics.Initialize();
    }

    /// <summary>Takes the zones and lines of the configuration; called before the camera starts.</summary>
    public void Draw(IReadOnlyDictionary<string, ZoneOptions> zones, IReadOnlyDictionary<string, LineOptions> lines) =>
        (Zones, Lines, Inside) = (zones, lines, []);

    /// <summary>Takes the figures of the last ten seconds; called every second, by one thread.</summary>
    public RecentFigures Measure() => Recent = _window.Take();

    private bool IsUp => State is CameraState.Online or CameraState.Degraded;

    private Measurement<long> Is(bool holds, params KeyValuePair<string, object?>[] tags) =>
        new(holds ? 1 : 0, [_tag, .. tags]);

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
