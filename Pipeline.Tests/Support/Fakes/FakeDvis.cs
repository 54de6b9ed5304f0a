using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>
/// A DVIS model that a test can compute in its head. Object <c>i</c> (0 … 3) is painted with red = 40 (i + 1); its
/// class is i mod 2. Query embedding of object i: 1 at i, and 1 at <see cref="Present"/> when it is in the picture.
/// Mask feature i is +1 on its cells and
/// -1 elsewhere. The queries come in an order that rotates with the blue value of
/// the picture, so matching has something to do.
/// </summary>
internal sealed class FakeDvis
{
    public const int Queries = 4, Present = 4, Hidden = 6, MaskChannels = 4, Classes = 2, Stride = 4;

    public static readonly ModelManifest Manifest = new()
    {
        Name = "fake",
        Version = "1",
        Task = ModelTask.Vis,
        Classes = [new ClassLabel(0, "circle", "thing", "#ff0000"), new ClassLabel(1, "square", "thing", "#00ff00")],
        Queries = Queries,
        HiddenSize = Hidden,
        MaskChannels = MaskChannels,
        MaskStride = Stride,
        Matching = MatchingRule.Aligned,
        Input = new InputRule(64, 64, 32, [0, 0, 0], [1, 1, 1], "rgb"),
        RefinerMaxWindow = 64,
        Files = new Dictionary<string, IReadOnlyDictionary<string, ModelFile>>(),
        License = "MIT",
        WeightsFrom = "a test",
    };

    public FakeModel Segmenter { get; } = new("segmenter", Segment);

    public FakeModel Tracker { get; } = new("tracker", Track);

    public FakeModel FrameForward
    { get; } = new("frame_forward", static (inputs, outputs) => inputs[0].Span.CopyTo(outputs[0].Span));

    public FakeModel Refiner { get; } = new("refiner", Refine);

    public FakeModel Matcher { get; } = new("matcher", Track);

    public ModelGraphs Models(bool refines = true)
        => Graphs(Manifest, Segmenter, Tracker, refines ? FrameForward : null, refines ? Refiner : null, Matcher);

    /// <summary>The same world seen by MinVIS.</summary>
    public ModelGraphs MinVisModels() => MinVisGraphs(Segmenter, Matcher);

    public static ModelGraphs MinVisGraphs(IModel segmenter, IModel matcher) => new(
        Manifest with { Method = MethodContract.MinVis, RefinerMaxWindow = null },
        new Dictionary<string, IModel> { [MethodContract.Segmenter] = segmenter, [MethodContract.Matcher] = matcher });

    public static ModelGraphs Graphs(
        ModelManifest manifest, IModel segmenter, IModel tracker, IModel? frameForward = null, IModel? refiner = null,
        IModel? matcher = null)
    {
        var graphs = new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = segmenter,
            [MethodContract.Tracker] = tracker,
        };
        if (frameForward is not null) graphs[MethodContract.FrameForward] = frameForward;
        if (refiner is not null) graphs[MethodContract.Refiner] = refiner;
        if (matcher is not null) graphs[MethodContract.Matcher] = matcher;
        return new(manifest, graphs);
    }

    public static byte Red(int item) => (byte)(40 * (item + 1));

    /// <summary>Class logits of a query: its object's class when it is there, else "no object".</summary>
    public static void Classify(ReadOnlySpan<float> embedding, float presence, Span<float> logits)
    {
        logits.Clear();
        logits[presence > 0 ? Item(embedding) % Classes : Classes] = 6 * Math.Max(presence, 0.5f);
    }

    private static int Item(ReadOnlySpan<float> embedding)
    {
        var best = 0;
        for (var i = 1; i < MaskChannels; i++)
            if (embedding[i] > embedding[best]) best = i;
        return best;
    }

    public static void Segment(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (batch, height, width) = ((int)inputs[0].Shape[0], (int)inputs[0].Shape[2], (int)inputs[0].Shape[3]);
        var cells = width / Stride * (height / Stride);
        for (var b = 0; b < batch; b++)
        {
            var planes = inputs[0].Span.Slice(b * 3 * height * width, 3 * height * width);
            var features = outputs[1].Span.Slice(b * MaskChannels * cells, MaskChannels * cells);
            var rotation = (int)planes[2 * height * width];
            for (var i = 0; i < Queries; i++)
            {
                var there = false;
                for (var cell = 0; cell < cells; cell++)
                {
                    var (x, y) = (cell % (width / Stride) * Stride + 1, cell / (width / Stride) * Stride + 1);
                    var hit = planes[y * width + x] == Red(i);
                    features[i * cells + cell] = hit ? 1 : -1;
                    there |= hit;
                }

                var query = (i + rotation) % Queries;
                var embedding = outputs[0].Span.Slice((b * Queries + query) * Hidden, Hidden);
                embedding.Clear();
                embedding[i] = 1;
                embedding[Present] = there ? 1 : 0;
                Classify(embedding, embedding[Present],
                    outputs[2].Span.Slice((b * Queries + query) * (Classes + 1), Classes + 1));
            }
        }
    }

    public static void Track(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var matched = inputs[1].Span;
        matched.CopyTo(outputs[0].Span);
        matched.CopyTo(outputs[1].Span);
        for (var q = 0; q < Queries; q++)
        {
            var embedding = matched.Slice(q * Hidden, Hidden);
            Classify(embedding, embedding[Present], outputs[2].Span.Slice(q * (Classes + 1), Classes + 1));
            WriteMaskEmbedding(embedding, outputs[3].Span.Slice(q * MaskChannels, MaskChannels));
        }
    }

    public static void Refine(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var frames = (int)inputs[0].Shape[0];
        for (var q = 0; q < Queries; q++)
        {
            var presence = 0f;
            for (var t = 0; t < frames; t++)
            {
                var embedding = inputs[0].Span.Slice((t * Queries + q) * Hidden, Hidden);
                presence = Math.Max(presence, embedding[Present]);
                WriteMaskEmbedding(embedding, outputs[1].Span.Slice((t * Queries + q) * MaskChannels, MaskChannels));
            }

            Classify(inputs[0].Span.Slice(((frames - 1) * Queries + q) * Hidden, Hidden), presence,
                outputs[0].Span.Slice(q * (Classes + 1), Classes + 1));
        }
    }

    public static void WriteMaskEmbedding(ReadOnlySpan<float> embedding, Span<float> mask)
    {
        mask.Clear();
        if (embedding[Present] > 0) mask[Item(embedding)] = 1;
    }
}
