using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.OpenCv;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Supervision;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Sources;

/// <summary>
/// Rig of one source, whose files are read by the given decoder; skips the test where OpenCV cannot be loaded.
/// Disposing fails the test when a frame leaked.
/// </summary>
internal sealed class SourceRig : IAsyncDisposable
{
    private readonly DecodeBackend _backend;
    private readonly List<CameraStatus> _statuses = [];

    public SourceRig(TimeProvider? time = null, DecodeBackend backend = DecodeBackend.Ffmpeg)
    {
        if (backend == DecodeBackend.Opencv) RequireOpenCv();
        (Time, _backend) = (time ?? TimeProvider.System, backend);
    }

    public TimeProvider Time { get; }

    public OpenCvDecoder OpenCv { get; } = new();

    public FramePool Pool { get; } = new();

    public MetricProbe Probe { get; } = new();

    public LogProbe<SourceRig> Logs { get; } = new();

    /// <summary>Every status in order.</summary>
    public IReadOnlyList<CameraStatus> Statuses { get { lock (_statuses) return [.. _statuses]; } }

    public CameraStatus Last { get { lock (_statuses) return _statuses[^1]; } }

    public static void RequireOpenCv()
    {
        try
        {
            OpenCvLibrary.Require();
        }
        catch (SourceException e)
        {
            Assert.Skip(e.Message);
        }
    }

    public IFrameSource Create(SourceOptions options)
    {
        options.Decode.Backend = _backend;
        return SourceFactory.Create(
            Probe.Metrics.Camera("cam"), options, Pool, Time, NullLoggerFactory.Instance, Take, OpenCv);
    }

    /// <summary>The same supervision around a source made by the test.</summary>
    public IFrameSource Supervise(IRawSource source, SourceOptions options) => new SupervisedSource(
        source, options, new SourceMetrics(Probe.Metrics.Camera("cam")), new Random(1), Time, Logs, Take);

    /// <summary>Reads one session without supervision to its end.</summary>
    public async Task ReadRawAsync(SourceOptions options, Action<RawFrame>? look = null)
    {
        await foreach (var frame in SourceFactory.CreateRaw("cam", options, Pool, Time).ReadAsync(default))
        {
            using (frame.Frame) look?.Invoke(frame);
        }
    }

    /// <summary>The fault that one session without supervision ends with.</summary>
    public Task<SourceException> FaultAsync(SourceOptions options, Action<RawFrame>? look = null)
        => Assert.ThrowsAsync<SourceException>(() => ReadRawAsync(options, look));

    public Task<List<FrameInfo>> ReadAsync(SourceOptions options, int most = int.MaxValue, Action<Frame>? look = null)
        => ReadAsync(Create(options), most, look);

    /// <summary>Reads to the end or to the given number of frames; looks at each before it is disposed.</summary>
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

    /// <summary>Reads a camera, freezes it, and waits until it is offline for that reason.</summary>
    /// <param name="offline">Called while it is offline, before the reading stops.</param>
    public async Task FreezeAsync(
        string url, TimeSpan connectTimeout, TimeSpan stallTimeout, Func<Task> freeze, Func<Task>? offline = null)
    {
        using var stop = new CancellationTokenSource();
        var count = 0;
        var options = new SourceOptions
        {
            Url = url,
            Rtsp =
            {
                ConnectTimeout = connectTimeout,
                StallTimeout = stallTimeout,
                Backoff = { Initial = TimeSpan.FromMinutes(5), Max = TimeSpan.FromMinutes(5) },
            },
        };
        var reading = ReadAsync(Create(options), look: _ => Interlocked.Increment(ref count), stop: stop.Token);

        await Eventually.TrueAsync(() => count > 10, "frames");
        await freeze();
        await Eventually.TrueAsync(() => Last.State == CameraState.Offline, "offline");

        Assert.Equal(SourceFault.Stalled, Last.Reason);
        if (offline is not null) await offline();
        await stop.CancelAsync();
        await reading;
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
