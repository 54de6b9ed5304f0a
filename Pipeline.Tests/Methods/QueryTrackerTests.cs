using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Methods;

public sealed class QueryTrackerTests
{
    private readonly List<(float IsFirst, float[] Matched, float[] Reference)> _runs = [];

    /// <summary>Objects in an order that rotates: the slots go on with it, and after a reset they do not.</summary>
    [Fact]
    public void Reset_NextStep_IsAFirstFrameInTheSegmentersOrder()
    {
        using var pool = new TensorPool();
        using var tracker = new QueryTracker(Graph(), FakeDvis.Manifest, MatchingRule.Aligned, pool);
        float[] first = Queries(0), second = Queries(1), third = Queries(2);

        Step(first);
        Step(second);
        tracker.Reset();
        Step(third);
        Step(first);

        Assert.Equal([1, 0, 1, 0], _runs.Select(r => r.IsFirst));
        Assert.Equal([first, first, third, third], _runs.Select(r => r.Matched));
        Assert.Equal([0f, 7, 0, 7], _runs.Select(r => r.Reference.Distinct().Single()));
        Assert.Equal(0, pool.Outstanding);

        void Step(float[] queries)
        {
            using var embeds = pool.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
            queries.CopyTo(embeds.Span);
            tracker.Step(embeds).Dispose();
        }
    }

    /// <summary>Its raw output is 7 everywhere.</summary>
    private ScriptedModel Graph() => new((inputs, outputs) =>
    {
        _runs.Add((inputs[3].Span[0], inputs[1].Span.ToArray(), inputs[2].Span.ToArray()));
        foreach (var output in outputs) output.Span.Fill(7);
    });

    private static float[] Queries(int rotation)
    {
        var queries = new float[FakeDvis.Queries * FakeDvis.Hidden];
        for (var i = 0; i < FakeDvis.Queries; i++)
            queries[(i + rotation) % FakeDvis.Queries * FakeDvis.Hidden + i] = 1;
        return queries;
    }
}
