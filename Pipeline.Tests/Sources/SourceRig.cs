using System.Diagnostics.Metrics;
using System.Globalization;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Publishing;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Sources;

/// <summary>A supervised source with everything around it; disposing fails the test when a frame leaked.</summary>
internal sealed class SourceRig : IMeterFactory, IAsyncDisposable
{
    private readonly List<Meter> _meters = [];
    private readonly MeterListener _listener = new();

    public SourceRig(TimeProvider? time = null)
    {
        Time = time ?? TimeProvider.System;
        Metrics = new PipelineMetrics(this);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (_meters.Contains(instrument.Meter)) listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            lock (Counted)
            {
                var key = instrument.Name + string.Concat(tags.ToArray().Where(t => t.Key != "camera").Select(t => $",{t.Value}"));
                Counted[key] = instrument is Gauge<long> ? value : Counted.GetValueOrDefault(key) + value;
            }
        });
        _listener.Start();
    }

    public TimeProvider Time { get; }

    public FramePool Pool { get; } = new();

    public PipelineMetrics Metrics { get; }

    /// <summary>Every status in order.</summary>
    public List<CameraStatus> Statuses { get; } = [];

    /// <summary>Sums of counters and last values of gauges, by name and tag values: <c>dvis.frames.dropped,source,rate_limit</c>.</summary>
    public Dictionary<string, long> Counted { get; } = [];

    public CameraStatus Last { get { lock (Statuses) return Statuses[^1]; } }

    public IFrameSource Create(SourceOptions options)
        => SourceFactory.Create("cam", options, Pool, Metrics, Time, NullLoggerFactory.Instance, Take);

    /// <summary>The same supervision around a source made by the test.</summary>
    public IFrameSource Supervise(IFrameSource source, SourceOptions options, SourceFacts? facts = null)
    {
        var reporter = new CameraReporter("cam", facts ?? new SourceFacts(), Metrics, Time, NullLogger.Instance, Take);
        return new SupervisedSource(source, options, new Backoff(options.Backoff, new Random(1)), reporter, Metrics, Time);
    }

    /// <summary>Reads to the end, or until there are <paramref name="most"/> frames; looks at each before it goes back.</summary>
    public async Task<List<FrameInfo>> ReadAsync(SourceOptions options, int most = int.MaxValue, Action<Frame>? look = null, CancellationToken stop = default)
        => await ReadAsync(Create(options), most, look, stop);

    public static async Task<List<FrameInfo>> ReadAsync(IFrameSource source, int most = int.MaxValue, Action<Frame>? look = null, CancellationToken stop = default)
    {
        var infos = new List<FrameInfo>();
        await foreach (var frame in source.ReadAsync(stop))
        {
            using (frame)
            {
                look?.Invoke(frame);
                infos.Add(frame.Info);
                if (infos.Count >= most) break;
            }
        }

        return infos;
    }

    /// <summary>One line for a message or a table: <c>offline eof</c>.</summary>
    public string Outcome => string.Create(CultureInfo.InvariantCulture, $"{Last.State} {Last.Reason}: {Last.Detail}");

    public Meter Create(MeterOptions options)
    {
        var meter = new Meter(options.Name, options.Version, options.Tags, this);
        _meters.Add(meter);
        return meter;
    }

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        Assert.Equal(0, Pool.Outstanding);
        Pool.Dispose();
        return default;
    }

    void IDisposable.Dispose() => _meters.ForEach(meter => meter.Dispose());

    private void Take(CameraStatus status)
    {
        lock (Statuses) Statuses.Add(status);
    }
}
