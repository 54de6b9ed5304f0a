using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>
/// The world of <see cref="FakeDvis"/> seen by VITA behind MinVIS: video query v follows object 3 - v through any order
/// of the segmenter's queries. An object that any frame of a window has is found in all of them.
/// </summary>
internal sealed class FakeVita(IModel segmenter, IModel matcher, FakeModel.Body? body = null)
{
    public static readonly ModelManifest Manifest = FakeDvis.Manifest with
    {
        Method = MethodContract.VitaBehindMinVis,
        VideoQueries = FakeDvis.Queries,
    };

    public FakeModel Vita { get; } = new("vita", body ?? Answer);

    /// <param name="revises">False: the tracker in front alone.</param>
    public ModelGraphs Models(bool revises = true)
    {
        var graphs = new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = segmenter,
            [MethodContract.Matcher] = matcher,
        };
        if (revises) graphs[MethodContract.Vita] = Vita;
        return new(Manifest, graphs);
    }

    public static void Answer(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        const int size = FakeDvis.Hidden;
        foreach (var output in outputs) output.Span.Clear();
        Span<float> embedding = stackalloc float[size];
        var frames = inputs[0].Span;
        for (var v = 0; v < FakeDvis.Queries; v++)
        {
            var item = FakeDvis.Queries - 1 - v;
            embedding.Clear();
            embedding[item] = 1;
            for (var q = 0; q < frames.Length / size; q++)
            {
                var query = frames.Slice(q * size, size);
                if (query[item] >= 1)
                    embedding[FakeDvis.Present] = Math.Max(embedding[FakeDvis.Present], query[FakeDvis.Present]);
            }

            const int columns = FakeDvis.Classes + 1;
            FakeDvis.Classify(
                embedding, embedding[FakeDvis.Present], outputs[0].Span.Slice(v * columns, columns));
            FakeDvis.WriteMaskEmbedding(
                embedding, outputs[1].Span.Slice(v * FakeDvis.MaskChannels, FakeDvis.MaskChannels));
            var similarity = outputs[3].Span.Slice(v * size, size);
            for (var i = 0; i < FakeDvis.MaskChannels; i++) similarity[i] = i == item ? 4 : -4;
        }

        frames.CopyTo(outputs[2].Span);
    }
}
