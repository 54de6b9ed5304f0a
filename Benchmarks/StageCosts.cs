using System.Collections.Immutable;
using System.Diagnostics;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Dvis;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// What each step of one model costs, with the service's own classes and one frame after the other. The segmenter is
/// run on real pictures; the other steps see its answers again and again, as often as a clip needs, because their cost
/// does not depend on the content. With one thread it is processor time that counts, which other work on the machine
/// does not stretch; with more it is time on the wall.
/// </summary>
internal sealed class StageCosts : IAsyncDisposable
{
    private readonly TensorPool _pool = new();
    private readonly ModelGraphs _models;
    private readonly Func<TimeSpan> _clock;
    private readonly TimedModel _graph, _tracker, _forward, _refiner;
    private readonly SegmenterBatcher _batcher;
    private readonly CameraSegmenter _segmenter;
    private readonly Encoders _encoders;
    private readonly List<SegmentedFrame> _seen = [];
    private readonly List<double> _segmentMs = [], _preprocessMs = [];

    public StageCosts(ModelGraphs models, int threads)
    {
        _clock = threads == 1 ? () => Environment.CpuUsage.TotalTime : () => Stopwatch.GetElapsedTime(0);
        (_graph, _tracker) = (new(models.Segmenter, _clock), new(models[MethodContract.Tracker], _clock));
        (_forward, _refiner) = (
            new(models[MethodContract.FrameForward], _clock), new(models[MethodContract.Refiner], _clock));
        _models = new ModelGraphs(models.Manifest, new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = _graph,
            [MethodContract.Tracker] = _tracker,
            [MethodContract.FrameForward] = _forward,
            [MethodContract.Refiner] = _refiner,
        });
        _batcher = new SegmenterBatcher(
            _graph, models.Manifest, new BatchOptions(), _pool, new PipelineMetrics(),
            TimeProvider.System);
        _segmenter = _batcher.Open();
        _encoders = new Encoders(BenchSinks.Context(models.Manifest), TimeProvider.System);
    }

    /// <summary>Milliseconds, median of all frames so far.</summary>
    public double SegmentMs => Median(_segmentMs);

    public double PreprocessMs => Median(_preprocessMs);

    public InputGeometry Geometry => _seen[0].Geometry;

    /// <param name="count">False: a warm-up.</param>
    public async Task SegmentAsync(IReadOnlyList<Frame> frames, bool count)
    {
        foreach (var old in _seen) old.Dispose();
        _seen.Clear();
        foreach (var frame in frames)
        {
            var (before, started) = (_graph.Seconds, _clock());
            _seen.Add(await _segmenter.SegmentAsync(frame));
            var graph = (_graph.Seconds - before) * 1000;
            if (!count) continue;
            _preprocessMs.Add(Since(started) - graph);
            _segmentMs.Add(graph);
        }
    }

    /// <summary>Milliseconds a frame of every step after the segmenter.
    /// A sliding clip is counted once it is full, over four strides.</summary>
    /// <param name="objects">Masks made and published of every frame, once provisional and once final.</param>
    public IReadOnlyDictionary<string, double> Run(RefinerOptions clip, int objects)
    {
        using var method = new DvisMethod(_models, _pool, new ClipLengths(clip.Window, clip.Stride, clip.Lookahead));
        using var window = new ClipWindow<Clipped>(clip.Window);
        var masks = new MaskReader(_models.Manifest.MaskChannels, BenchSinks.Publish.Contours);
        var geometry = MaskReader.GeometryOf(Geometry, BenchSinks.Publish.MaskGrid);
        int[] wanted = [.. Enumerable.Range(0, Math.Min(objects, _models.Manifest.Queries))];
        var filling = clip.Stride == clip.Window ? 0 : clip.Window;
        var frames = filling == 0 ? clip.Window : filling + 4 * clip.Stride;
        var costs = new Dictionary<string, double>();
        var graphs = Graphs();
        for (var t = 0; t < frames; t++)
        {
            if (t == filling) (costs, graphs) = ([], Graphs());
            var seen = _seen[t % _seen.Count];
            using var frame = Copy(seen, t);
            var before = _tracker.Seconds;
            var started = _clock();
            var step = method.Observe(frame);
            Add(costs, "matching", Since(started) - (_tracker.Seconds - before) * 1000);
            using (step.MaskEmbeds)
            {
                started = _clock();
                var shown = Read(masks, step.MaskEmbeds.Span, seen, wanted, geometry).Select(Observation)
                    .ToImmutableArray();
                Add(costs, "masks", Since(started));
                Add(costs, "encoding",
                    Encode(new ProvisionalResult(frame.Info, "bench", shown, -1, 0, new StageLatency())));
            }

            window.Add(new Clipped(frame.Info, step));
            if (window.Pending < clip.Stride + clip.Lookahead) continue;
            using var refined = method.Revise([.. window.Frames.Select(f => f.Queries)]);
            var first = window.Frames.Count - window.Pending;
            started = _clock();
            var final = Final(masks, refined, window, first, clip.Stride, wanted, geometry);
            Add(costs, "masks", Since(started));
            Add(costs, "encoding", Encode(final));
            window.Commit(clip.Stride);
        }

        foreach (var (name, seconds) in Graphs()) costs[name] = (seconds - graphs[name]) * 1000;
        return costs.ToDictionary(cost => cost.Key, cost => cost.Value / (frames - filling));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var frame in _seen) frame.Dispose();
        _segmenter.Dispose();
        await _batcher.DisposeAsync();
        _encoders.Dispose();
        _pool.Dispose();
    }

    public static double Median(IReadOnlyCollection<double> values) => values.Order().ElementAt(values.Count / 2);

    private Dictionary<string, double> Graphs() =>
        new() { ["tracker"] = _tracker.Seconds, ["frame_forward"] = _forward.Seconds, ["refiner"] = _refiner.Seconds };

    /// <summary>The embeddings once more; nothing here reads the other two tensors of the copy.</summary>
    private SegmentedFrame Copy(SegmentedFrame seen, int number)
    {
        var embeds = _pool.Rent(seen.FrameEmbeds.Shape);
        seen.FrameEmbeds.Span.CopyTo(embeds.Span);
        return new SegmentedFrame(seen.Info with { FrameId = number }, seen.Geometry, embeds, _pool.Rent(1),
            seen.Work);
    }

    private FinalResult Final(MaskReader masks, ClipRevision refined, ClipWindow<Clipped> window, int first, int count,
        int[] wanted, in MaskGeometry geometry)
    {
        var perFrame = _models.Manifest.Queries * _models.Manifest.MaskChannels;
        var tracks = wanted.Select(_ => ImmutableArray.CreateBuilder<FinalObservation>()).ToArray();
        for (var t = first; t < first + count; t++)
        {
            var info = window.Frames[t].Info;
            var encoded = Read(masks, refined.MaskEmbeds.Span.Slice(t * perFrame, perFrame),
                _seen[(int)(info.FrameId % _seen.Count)], wanted, geometry);
            for (var k = 0; k < encoded.Count; k++)
            {
                tracks[k].Add(encoded[k] is var (mask, contour)
                    ? new FinalObservation(info.FrameId, 1, true, mask.Box, mask.AreaPx, mask.Mask, contour)
                    : new FinalObservation(info.FrameId, 1, false, default, 0, null, null));
            }
        }

        ImmutableArray<FrameInfo> infos = [.. window.Frames.Skip(first).Take(count).Select(f => f.Info)];
        return new FinalResult(
            PipelineRun.Camera, "bench", infos[0].FrameId, infos[^1].FrameId, infos, FinalKind.Refined,
            FinalReason.None,
            [.. tracks.Select((seen, k) => new FinalTrack(k, 0, 1, null, seen.ToImmutable()))], [], [],
            new StageLatency());
    }

    private static List<(EncodedMask Mask, Contour? Contour)?> Read(MaskReader masks, ReadOnlySpan<float> maskEmbeds,
        SegmentedFrame frame, int[] wanted, in MaskGeometry geometry)
    {
        masks.Load(maskEmbeds, frame.MaskFeatures, wanted, geometry);
        var read = new List<(EncodedMask, Contour?)?>();
        for (var row = 0; row < wanted.Length; row++)
            read.Add(masks.Encode(row) is { } mask ? (mask, masks.Trace(mask.Mask)) : null);
        return read;
    }

    private static TrackObservation Observation((EncodedMask Mask, Contour? Contour)? read, int number) =>
        read is var (mask, contour)
        ? new TrackObservation(number, 0, 1, TrackState.Active, 1, mask.Box, mask.AreaPx, mask.CentroidX,
            mask.CentroidY, mask.Truncated, mask.Mask, contour)
        : new TrackObservation(number, 0, 1, TrackState.Active, 1, default, 0, 0, 0, false, null, null);

    private double Encode(PipelineMessage message)
    {
        var started = _clock();
        var (sequence, now, options) =
            (new Sequence(), Moment.Now(TimeProvider.System), new EncodeOptions(1 << 20, MaskRefs: true));
        switch (message)
        {
            case ProvisionalResult result:
                _encoders.Provisional.Encode(result, sequence, now, options, _ => { });
                _encoders.Masks.Encode(result, BenchSinks.Publish, options.Budget, _ => { });
                break;
            case FinalResult result:
                _encoders.Final.Encode(result, sequence, now, options, _ => { });
                _encoders.Masks.Encode(result, BenchSinks.Publish, options.Budget, _ => { });
                break;
        }

        return Since(started);
    }

    private static void Add(Dictionary<string, double> costs, string stage, double ms) =>
        costs[stage] = costs.GetValueOrDefault(stage) + ms;

    private double Since(TimeSpan started) => (_clock() - started).TotalMilliseconds;

    private sealed class Clipped(FrameInfo info, QueryFrame queries) : IDisposable
    {
        public FrameInfo Info => info;

        public QueryFrame Queries => queries;

        public void Dispose() => queries.Dispose();
    }
}
