using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Metrics of one host: those shared by all cameras, and a meter per camera, whose series end with it. The Prometheus
/// name is the instrument's with dots as underscores, the unit spelled out and <c>_total</c> on counters. Thread-safe.
/// </summary>
public sealed class PipelineMetrics : IDisposable
{
    /// <summary>Name of all meters; their scope is this object, which keeps hosts in one process apart.</summary>
    public const string MeterName = "Dvis.Streaming";

    private readonly Lock _gate = new(); // around changes of _cameras
    private readonly ConcurrentDictionary<string, CameraMetrics> _cameras = new();
    private readonly ConcurrentDictionary<string, byte> _labels = new();
    private readonly Histogram<double> _stage, _stageQueue, _batch;

    public PipelineMetrics()
    {
        Meter = new Meter(new MeterOptions(MeterName) { Scope = this });
        _stage = Meter.CreateHistogram(
            "dvis.stage.duration", "s", "Work of one stage on one frame (refine: one window).", null, Buckets.OfStages);
        _stageQueue = Meter.CreateHistogram(
            "dvis.stage.queue.duration", "s", "Wait of a frame before a stage.", null, Buckets.OfStages);
        _batch = Meter.CreateHistogram(
            "dvis.inference.batch_size", "{frame}", "Frames a segmenter call.", null, Buckets.OfBatches);
    }

    /// <summary>Different values of the label <c>label</c>; what comes later counts as <c>other</c>.</summary>
    public int LabelsMax { get; init; } = 20;

    /// <summary>Meter for what is measured once per process.</summary>
    public Meter Meter { get; }

    /// <summary>Cameras that are measured, by name.</summary>
    public IEnumerable<CameraMetrics> Cameras => _cameras.Values.OrderBy(c => c.Camera, StringComparer.Ordinal);

    /// <summary>The metrics of a camera, created on first use.</summary>
    public CameraMetrics Camera(string camera)
    {
        lock (_gate) return _cameras.GetValueOrDefault(camera) ?? (_cameras[camera] = new(this, camera));
    }

    /// <summary>Null when the camera is not measured.</summary>
    public CameraMetrics? Find(string camera) => _cameras.GetValueOrDefault(camera);

    /// <summary>Ends the series of all other cameras.</summary>
    public void Keep(IEnumerable<string> cameras)
    {
        lock (_gate)
        {
            foreach (var gone in _cameras.Keys.Except(cameras))
                if (_cameras.TryRemove(gone, out var camera)) camera.Dispose();
        }
    }

    /// <param name="stage"><c>preprocess, segment, track, refine, encode, publish</c>.</param>
    public void StageDuration(string stage, double seconds) => _stage.Record(seconds, Tag("stage", stage));

    public void StageQueued(string stage, double seconds) => _stageQueue.Record(seconds, Tag("stage", stage));

    public void BatchRun(string model, int size) => _batch.Record(size, Tag("model", model));

    public void Dispose()
    {
        Keep([]);
        Meter.Dispose();
    }

    /// <summary>The label, or <c>other</c> beyond <see cref="LabelsMax"/>.</summary>
    internal string Bound(string label)
    {
        if (_labels.ContainsKey(label)) return label;
        if (_labels.Count >= LabelsMax) return "other";
        _labels.TryAdd(label, 0);
        return label;
    }

    internal static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
