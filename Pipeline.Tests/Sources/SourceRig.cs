using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Supervision;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Sources;

/// <summary>A supervised source with everything around it; disposing fails the test when a frame leaked.</summary>
internal sealed class SourceRig(TimeProvider? time = null) : IAsyncDisposable
{
    private readonly List<CameraStatus> _statuses = [];

    public TimeProvider Time { get; } = time ?? TimeProvider.System;

    public FramePool Pool { get; } = new();

    public MetricProbe Probe { get; } = new();

    public LogProbe<SourceRig> Logs { get; } = new();

    /// <summary>Every status in order.</summary>
    public IReadOnlyList<CameraStatus> Statuses { get { lock (_statuses) return [.. _statuses]; } }

    public CameraStatus Last { get { lock (_statuses) return _statuses[^1]; } }

    public IFrameSource Create(SourceOptions options, IFrameDecoder? openCv = null) => SourceFactory.Create(
        Probe.Metrics.Camera("cam"), options, Pool, Time, NullLoggerFactory.Instance, Take, openCv);

    /// <summary>The same supervision around a source made by the test.</summary>
    public IFrameSource Supervise(IFrameSource source, SourceOptions options, SourceFacts? facts = null)
    {
        var camera = Probe.Metrics.Camera("cam");
        var metrics = new SourceMetrics(camera);
        var reporter = new CameraReporter(camera.Camera, metrics, facts ?? new SourceFacts(), Time, Logs, Take);
        return new SupervisedSource(
            source, options, new Backoff(options.Rtsp.Backoff, new Random(1)), reporter, camera, metrics, Time);
    }

    public Task<List<FrameInfo>> ReadAsync(SourceOptions options, int most = int.MaxValue, Action<Frame>? look = null)
        => ReadAsync(Create(options), most, look);

    /// <summary>Reads to the end, or until there are <paramref name="most"/> frames;
    /// looks at each before it goes back.</summary>
    public static async Task<List<FrameInfo>> ReadAsync(IFrameSource source, int most = int.MaxValue,
        Action<Frame>? look = null, CancellationToken stop = default)
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

    public ValueTask DisposeAsync()
    {
        Probe.Dispose();
        Assert.Equal(0, Pool.Outstanding);
        Pool.Dispose();
        return default;
    }

    private void Take(CameraStatus status)
    {
        lock (_statuses) _statuses.Add(status);
    }
}
