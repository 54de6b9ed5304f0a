using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>
/// The world of <see cref="FakeDvis"/> seen by RefineVIS: objects that are there are detected, contrastive embeddings
/// tell them apart, and the refinement says of a frame without a detection what the window's last other frame shows.
/// </summary>
internal sealed class FakeRefineVis
{
    public const int Slots = 12, Window = 4, Period = 100;

    public FakeRefineVis(IModel? segmenter = null, FakeModel.Body? associate = null, FakeModel.Body? refine = null)
    {
        Segmenter = segmenter ?? new FakeModel("segmenter", FakeDvis.Segment);
        Associate = new FakeModel("associate", associate ?? Tell);
        Refine = new FakeModel("refine", refine ?? Remember);
    }

    public static ModelManifest Manifest { get; } = FakeDvis.Manifest with
    {
        Method = MethodContract.RefineVis,
        Queries = Slots,
        FrameQueries = FakeDvis.Queries,
        Association = new AssociationRule(),
        TemporalWindow = Window,
        FramePeriod = Period,
    };

    public IModel Segmenter { get; }

    public FakeModel Associate { get; }

    public FakeModel Refine { get; }

    public ModelGraphs Models(bool revises = true)
    {
        var graphs = new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = Segmenter,
            [MethodContract.Associate] = Associate,
            [MethodContract.Refine] = Refine,
        };
        return new(Manifest, graphs) { Revises = revises };
    }

    public static void Tell(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        for (var i = 0; i < inputs[0].Length; i++) outputs[0].Span[i] = 4 * inputs[0].Span[i];
        Read(inputs[0], outputs[1], outputs[2]);
    }

    public static void Remember(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var (query, window, refined) = (inputs[0], inputs[2], outputs[0]);
        query.Span.CopyTo(refined.Span);
        var row = (int)query.Shape[1] * FakeDvis.Hidden;
        for (var at = 0; at < query.Length; at += FakeDvis.Hidden)
        {
            var target = refined.Span.Slice(at, FakeDvis.Hidden);
            for (var from = window.Length - row + at % row; from >= 0 && !target.ContainsAnyExcept(0f); from -= row)
                window.Span.Slice(from, FakeDvis.Hidden).CopyTo(target);
        }

        Read(refined, outputs[1], outputs[2]);
    }

    private static void Read(Tensor embeds, Tensor logits, Tensor maskEmbeds)
    {
        for (var i = 0; i < embeds.Length / FakeDvis.Hidden; i++)
        {
            var embedding = embeds.Span.Slice(i * FakeDvis.Hidden, FakeDvis.Hidden);
            FakeDvis.Classify(
                embedding, embedding[FakeDvis.Present],
                logits.Span.Slice(i * (FakeDvis.Classes + 1), FakeDvis.Classes + 1));
            FakeDvis.WriteMaskEmbedding(
                embedding, maskEmbeds.Span.Slice(i * FakeDvis.MaskChannels, FakeDvis.MaskChannels));
        }
    }
}
