using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>
/// <see cref="FakeDvis"/> with whims: queries that claim another object, classes that flip, a refiner that denies what
/// the tracker saw, runs that fail and runs that take their time. What a run does is drawn, so the numbers mean
/// nothing; the contract must hold all the same.
/// </summary>
internal sealed class WildModels
{
    private readonly Lock _gate = new();
    private readonly Random _random;
    private readonly FakeDvis _fake = new();
    private readonly List<int> _seen = [];
    private readonly double _whims;

    /// <param name="whims">Chance that a query is touched.</param>
    /// <param name="method">Of <see cref="FakeMethods.Names"/>.</param>
    /// <param name="refines">False: a DVIS model without a refiner.</param>
    public WildModels(int seed, string method, double whims, bool refines)
    {
        (_random, _whims) = (new Random(seed), whims);
        var segmenter = new FakeModel("segmenter", Segment);
        var tracker = new FakeModel("tracker", Track);
        Models = method switch
        {
            "minvis" => FakeDvis.MinVisGraphs(segmenter, tracker),
            "genvis" => new FakeGenVis(2 + _random.Next(3), segmenter, Follow).Models(),
            "genvis online" => new FakeGenVis(1, segmenter, Follow).Models(),
            "refinevis" => new FakeRefineVis(segmenter, Associate, RefineTracklets).Models(),
            "refinevis online" => new FakeRefineVis(segmenter, Associate, RefineTracklets).Models(revises: false),
            "vita" => new FakeVita(segmenter, tracker, Tie).Models(),
            "vita online" => new FakeVita(segmenter, tracker, Tie).Models(revises: false),
            _ => FakeDvis.Graphs(
                FakeDvis.Manifest, segmenter, tracker, refines ? _fake.FrameForward : null,
                refines ? new FakeModel("refiner", Refine) : null),
        };
    }

    public ModelGraphs Models { get; }

    /// <summary>Taken by the next run of a graph, which does it first: throws, or waits.</summary>
    public Action? NextSegmenter { get; set; }

    public Action? NextTracker { get; set; }

    public Action? NextRefiner { get; set; }

    /// <summary>The number painted into each picture that the segmenter was given, in order.</summary>
    public int[] Seen
    {
        get { lock (_gate) return [.. _seen]; }
    }

    public static void Fail() => throw new ModelException("failed as it was told to");

    private void Segment(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextSegmenter, () => NextSegmenter = null);
        _fake.Segmenter.Run(inputs, outputs);
        var plane = inputs[0].Span.Length / 3;
        lock (_gate) _seen.Add(WildSource.NumberIn(inputs[0].Span[1], inputs[0].Span[plane + 1]));
        for (var q = 0; q < FakeDvis.Queries; q++)
        {
            var embedding = outputs[0].Span.Slice(q * FakeDvis.Hidden, FakeDvis.Hidden);
            if (inputs[0].Span[2] > 0 && embedding[2] > 0) embedding[0] = 0.6f;
        }

        for (var q = 0; q < FakeDvis.Queries; q++)
            if (Chance()) Become(outputs[0].Span.Slice(q * FakeDvis.Hidden, FakeDvis.Hidden));
    }

    private void Track(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextTracker, () => NextTracker = null);
        _fake.Tracker.Run(inputs, outputs);
        Flip(outputs[2].Span);
    }

    private void Follow(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextTracker, () => NextTracker = null);
        FakeGenVis.Answer(inputs, outputs);
        Flip(outputs[2].Span);
        if (Chance()) outputs[3].Span.Clear();
    }

    private void Associate(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextTracker, () => NextTracker = null);
        FakeRefineVis.Tell(inputs, outputs);
        Flip(outputs[1].Span);
    }

    private void RefineTracklets(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        // A clip attends to itself.
        if (inputs[0] == inputs[2]) Do(NextRefiner, () => NextRefiner = null);
        FakeRefineVis.Remember(inputs, outputs);
        Flip(outputs[1].Span);
        if (Chance()) outputs[2].Span.Clear();
    }

    private void Tie(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextRefiner, () => NextRefiner = null);
        FakeVita.Answer(inputs, outputs);
        Flip(outputs[0].Span);
        if (Chance()) outputs[1].Span.Clear();
        if (Chance()) outputs[3].Span.Clear();
    }

    private void Refine(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        Do(NextRefiner, () => NextRefiner = null);
        _fake.Refiner.Run(inputs, outputs);
        Flip(outputs[0].Span);
        if (Chance()) outputs[1].Span.Clear();
    }

    /// <summary>Makes the query another object, there or not, or one that looks like two.</summary>
    private void Become(Span<float> embedding)
    {
        var like = Draw(FakeDvis.MaskChannels);
        if (Draw(2) == 0)
        {
            embedding[like] = Math.Max(embedding[like], 0.6f);
            return;
        }

        embedding.Clear();
        embedding[like] = 1;
        embedding[FakeDvis.Present] = Draw(2);
    }

    private void Flip(Span<float> logits)
    {
        const int columns = FakeDvis.Classes + 1;
        for (var q = 0; q < logits.Length / columns; q++)
        {
            if (!Chance()) continue;
            logits.Slice(q * columns, columns).Clear();
            logits[q * columns + Draw(columns)] = 6;
        }
    }

    private static void Do(Action? next, Action taken)
    {
        if (next is null) return;
        taken();
        next();
    }

    private bool Chance()
    {
        lock (_gate) return _random.NextDouble() < _whims;
    }

    private int Draw(int below)
    {
        lock (_gate) return _random.Next(below);
    }
}
