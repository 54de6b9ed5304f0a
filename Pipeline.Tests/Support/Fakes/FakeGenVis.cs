using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>
/// The world of <see cref="FakeDvis"/> seen by GenVIS: slot i follows object i through any order of the segmenter's
/// queries. An object that any frame of a clip has is found in all of them.
/// </summary>
internal sealed class FakeGenVis
{
    private readonly int _clip;

    public FakeGenVis(int clip, IModel? segmenter = null, FakeModel.Body? body = null)
    {
        (_clip, Clip) = (clip, new FakeModel("clip", body ?? Answer));
        Segmenter = segmenter ?? new FakeModel("segmenter", FakeDvis.Segment);
    }

    public IModel Segmenter { get; }

    public FakeModel Clip { get; }

    public ModelManifest Manifest => FakeDvis.Manifest with
    {
        Method = MethodContract.GenVis,
        RefinerMaxWindow = null,
        Clip = _clip,
        Memory = new MemoryRule(4),
        FirstQuery = "first_query.bin",
    };

    /// <param name="first">Query of the first clip; null: zeros.</param>
    public ModelGraphs Models(float[]? first = null) => new(
        Manifest,
        new Dictionary<string, IModel> { [MethodContract.Segmenter] = Segmenter, [MethodContract.Clip] = Clip })
    { FirstQuery = first ?? new float[FakeDvis.Queries * FakeDvis.Hidden] };

    public static void Answer(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var frames = (int)inputs[0].Shape[1];
        foreach (var output in outputs) output.Span.Clear();
        for (var slot = 0; slot < FakeDvis.Queries; slot++)
        {
            var instance = outputs[0].Span.Slice(slot * FakeDvis.Hidden, FakeDvis.Hidden);
            var presence = 0f;
            for (var t = 0; t < frames; t++)
            {
                var embedding = Find(inputs[0].Span, t, slot);
                presence = Math.Max(presence, embedding[FakeDvis.Present]);
                embedding.CopyTo(instance);
            }

            instance[FakeDvis.Present] = presence;
            FakeDvis.Classify(
                instance, presence, outputs[2].Span.Slice(slot * (FakeDvis.Classes + 1), FakeDvis.Classes + 1));
            FakeDvis.WriteMaskEmbedding(
                instance, outputs[3].Span.Slice(slot * FakeDvis.MaskChannels, FakeDvis.MaskChannels));
        }
    }

    /// <summary>The query of a frame that is most like an object.</summary>
    private static ReadOnlySpan<float> Find(ReadOnlySpan<float> frames, int frame, int item)
    {
        var queries = frames.Slice(frame * FakeDvis.Queries * FakeDvis.Hidden, FakeDvis.Queries * FakeDvis.Hidden);
        var best = 0;
        for (var q = 1; q < FakeDvis.Queries; q++)
            if (queries[q * FakeDvis.Hidden + item] > queries[best * FakeDvis.Hidden + item]) best = q;
        return queries.Slice(best * FakeDvis.Hidden, FakeDvis.Hidden);
    }
}
