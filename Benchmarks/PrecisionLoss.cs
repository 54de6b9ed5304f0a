using System.Numerics.Tensors;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// What a precision loses against fp32, over the objects that fp32 is sure of: segmenter and tracker of both see the
/// same frames, each frame as a stream's first one, so that a changed order of slots is no loss and an error does not
/// add up.
/// </summary>
internal sealed class PrecisionLoss(TimeProvider time)
{
    private static readonly JsonSerializerOptions Written =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private int _frames, _objects, _sameClass, _kept;
    private readonly MaskBits _expected = new(), _found = new();
    private double _cosine, _iou;

    /// <param name="step">Of a video every so-manieth frame is taken.</param>
    /// <param name="frames">Frames taken of each video.</param>
    public static async Task RunAsync(string path, string[] precisions, RuntimeOptions runtime, string[] videos,
        int step, int frames, bool write)
    {
        foreach (var precision in precisions)
        {
            var loss = new PrecisionLoss(TimeProvider.System);
            using var reference = Load(path, "fp32", runtime);
            using var other = Load(path, precision, runtime);
            foreach (var video in videos) await loss.MeasureAsync(reference, other, video, step, frames);
            if (loss._objects == 0)
                throw new ModelException(
                    $"{path}: fp32 is sure of no object in these videos, so there is nothing to compare.");
            var figures = loss.Figures(videos);
            Console.WriteLine($"{precision}: {figures.ToJsonString()}");
            if (write) Write(Path.Combine(path, "manifest.json"), precision, figures);
        }
    }

    private static ModelGraphs Load(string path, string precision, RuntimeOptions runtime)
        => ModelGraphs.Load(new ModelOptions { Path = path, Precision = precision, Mode = ModelMode.Online }, runtime,
            NullLogger.Instance);

    private async Task MeasureAsync(ModelGraphs reference, ModelGraphs other, string video, int step, int frames)
    {
        var metrics = new PipelineMetrics();
        using var pool = new FramePool();
        await using var a = new Chain(reference, metrics, time);
        await using var b = new Chain(other, metrics, time);
        var source = SourceFactory.Create(
            metrics.Camera(PipelineRun.Camera), new SourceOptions { File = video }, pool, time,
            NullLoggerFactory.Instance, _ => { });
        using var stop = new CancellationTokenSource();
        var (number, taken) = (0, 0);
        await foreach (var frame in source.ReadAsync(stop.Token))
        {
            using (frame)
            {
                if (number++ % step != 0) continue;
                using var expected = await a.RunAsync(frame);
                using var found = await b.RunAsync(frame);
                Compare(reference.Manifest, expected, found);
                if (++taken == frames) break;
            }
        }

        _frames += taken;
    }

    private void Compare(ModelManifest m, Answer expected, Answer found)
    {
        var sure = Enumerable.Range(0, m.Queries).Where(q => expected.Best(q, m.ClassCount).Score >= m.MinScore)
            .ToArray();
        var (a, b) = (expected.Masks(m, sure), found.Masks(m, sure));
        var cells = sure.Length == 0 ? 0 : a.Length / sure.Length;
        for (var k = 0; k < sure.Length; k++)
        {
            var row = sure[k] * m.HiddenSize;
            _cosine += TensorPrimitives.CosineSimilarity<float>(expected.Frame.FrameEmbeds.Span
                .Slice(row, m.HiddenSize), found.Frame.FrameEmbeds.Span.Slice(row, m.HiddenSize));
            var (label, score) = found.Best(sure[k], m.ClassCount);
            if (label == expected.Best(sure[k], m.ClassCount).Label) _sameClass++;
            if (score >= m.MinScore) _kept++;
            _expected.Assign(a.AsSpan(k * cells, cells));
            _found.Assign(b.AsSpan(k * cells, cells));
            _iou += _expected.Count + _found.Count == 0 ? 1 : _expected.IoU(_found);
        }

        _objects += sure.Length;
    }

    private JsonObject Figures(string[] videos) => new()
    {
        ["frames"] = _frames,
        ["objects"] = _objects,
        ["embed_cosine"] = Math.Round(_cosine / _objects, 4),
        ["class_agreement"] = Math.Round((double)_sameClass / _objects, 4),
        ["still_found"] = Math.Round((double)_kept / _objects, 4),
        ["mask_iou"] = Math.Round(_iou / _objects, 4),
        ["videos"] = new JsonArray([.. videos.Select(v => JsonValue.Create(Path.GetFileName(v)))]),
    };

    private static void Write(string path, string precision, JsonObject figures)
    {
        var manifest = JsonNode.Parse(File.ReadAllBytes(path))!.AsObject();
        var quality = Child(Child(Child(manifest, "quality"), "precision"), precision);
        quality["loss"] = figures;
        File.WriteAllText(path, manifest.ToJsonString(Written) + "\n");
    }

    private static JsonObject Child(JsonObject parent, string key)
    {
        if (parent[key] is JsonObject child) return child;
        child = [];
        parent[key] = child;
        return child;
    }

    private sealed record Answer(SegmentedFrame Frame, QueryFrame Step) : IDisposable
    {
        public (int Label, float Score) Best(int query, int classes)
        {
            Span<float> row = new float[classes + 1];
            MaskKernels.Softmax(Step.Logits.Span.Slice(query * (classes + 1), classes + 1), row);
            var label = TensorPrimitives.IndexOfMax<float>(row[..classes]);
            return (label, row[label]);
        }

        public float[] Masks(ModelManifest m, int[] queries)
        {
            var logits = new float[queries.Length * (Frame.MaskFeatures.Length / m.MaskChannels)];
            MaskKernels.Logits(Step.MaskEmbeds.Span, Frame.MaskFeatures.Span, m.MaskChannels, queries, logits);
            return logits;
        }

        public void Dispose()
        {
            Frame.Dispose();
            Step.Dispose();
        }
    }

    private sealed class Chain : IAsyncDisposable
    {
        private readonly TensorPool _pool = new();
        private readonly SegmenterBatcher _batcher;
        private readonly CameraSegmenter _segmenter;
        private readonly QueryTracker _tracker;

        public Chain(ModelGraphs models, PipelineMetrics metrics, TimeProvider time)
        {
            _batcher =
                new SegmenterBatcher(models.Segmenter, models.Manifest, new BatchOptions(), _pool, metrics, time);
            _segmenter = _batcher.Open();
            _tracker =
                new QueryTracker(models[MethodContract.Tracker], models.Manifest, models.Manifest.Matching, _pool);
        }

        public async Task<Answer> RunAsync(Frame frame)
        {
            var segmented = await _segmenter.SegmentAsync(frame);
            _tracker.Reset();
            return new Answer(segmented, _tracker.Step(segmented.FrameEmbeds));
        }

        public async ValueTask DisposeAsync()
        {
            _segmenter.Dispose();
            await _batcher.DisposeAsync();
            _tracker.Dispose();
            _pool.Dispose();
        }
    }
}
