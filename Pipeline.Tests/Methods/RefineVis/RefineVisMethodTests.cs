using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.RefineVis;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Methods.RefineVis;

/// <summary>Objects 0 to 3, each with four columns of the picture, in queries of any order.</summary>
public sealed class RefineVisMethodTests : IDisposable
{
    private const int Hidden = FakeDvis.Hidden, Width = FakeDvis.Classes + 1, Masks = FakeDvis.MaskChannels;
    private static readonly ClipLengths s_clip = new(6, 3, 0);

    private readonly TensorPool _pool = new();
    private readonly List<Run> _runs = [];
    private readonly List<QueryFrame> _answers = [];
    private readonly RefineVisMethod _sut;
    private long _frame = 1000;

    public RefineVisMethodTests()
    {
        var fake = new FakeRefineVis(refine: (inputs, outputs) =>
        {
            _runs.Add(new Run(
                inputs[0].Span.ToArray(), inputs[1].Span.ToArray(), inputs[2].Span.ToArray(), inputs[3].Span.ToArray(),
                (int)inputs[0].Shape[1]));
            FakeRefineVis.Remember(inputs, outputs);
        });
        _sut = new RefineVisMethod(fake.Models(), _pool, s_clip);
    }

    public void Dispose()
    {
        foreach (var answer in _answers) answer.Dispose();
        _sut.Dispose();
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
    }

    [Fact]
    public void Observe_QueriesInAnyOrder_KeepObjectsInTheirSlots()
    {
        int[][] orders = [[0, 1, 2, -1], [2, -1, 0, 1], [1, 2, -1, 0]];
        foreach (var order in orders)
        {
            var answer = Observe(order);

            for (var item = 0; item < 3; item++)
            {
                var slot = Slot(answer, item);
                Assert.Equal(item, slot);
                Assert.Equal(item, answer.Tracklets![slot]);
                Assert.Equal(item % 2, ClassIn(answer.Logits.Span, slot));
            }

            Assert.All(answer.Tracklets![3..], id => Assert.Equal(QueryFrame.NoTracklet, id));
            for (var slot = 3; slot < FakeRefineVis.Slots; slot++)
                Assert.Equal(FakeDvis.Classes, ClassIn(answer.Logits.Span, slot));
        }
    }

    [Fact]
    public void Observe_Online_AttendsToRefinedEmbeddingsOfTheWindowAndTheRawOneOfNow()
    {
        for (var frame = 0; frame < 6; frame++) Observe(frame == 4 ? [-1, -1, -1, -1] : [-1, 1, -1, -1]);

        Assert.Equal([1, 2, 3, 4, 4, 4], _runs.Select(r => r.WindowFrames.Length));
        Assert.Equal([[0f], [1f], [2f], [3f], [4f], [5f]], _runs.Select(r => r.QueryFrames));
        Assert.Equal([2f, 3, 4, 5], _runs[5].WindowFrames);
        float[] seen = [0, 1, 0, 0, 1, 0], missed = new float[Hidden];
        Assert.Equal(missed, _runs[4].Query);
        Assert.Equal([.. seen, .. seen, .. seen, .. missed], _runs[4].Window);
        // The refinement has filled the gap, and the memory has what it said.
        Assert.Equal([.. seen, .. seen, .. seen, .. seen], _runs[5].Window);
    }

    [Fact]
    public void Observe_ObjectThatBeginsLater_HasZerosBefore()
    {
        Observe(0, -1, -1, -1);
        Observe(0, -1, 3, -1);

        Assert.Equal(2, _runs[1].Tracklets);
        Assert.All(_runs[1].Window[Hidden..(2 * Hidden)], value => Assert.Equal(0, value));
        Assert.Equal([0, 0, 0, 1, 1, 0], _runs[1].Window[(3 * Hidden)..]);
    }

    [Fact]
    public void Observe_ObjectGoneForTenFrames_LeavesItsSlotWhichRests()
    {
        Observe(0, 1, -1, -1);
        for (var frame = 0; frame < 10; frame++) Observe(0, -1, -1, -1);
        Assert.Equal([0, QueryFrame.NoTracklet], _answers[^1].Tracklets![..2]);
        Assert.Equal([0, 1], _answers[^2].Tracklets![..2]);

        var back = Observe(0, 1, -1, -1);

        Assert.Equal([0, QueryFrame.NoTracklet, 2], back.Tracklets![..3]);
        Assert.Equal([0, 2], _sut.Store.Live.Select(t => t.Id));
    }

    /// <summary>Twelve slots, and four objects per frame that are like nothing before.</summary>
    [Fact]
    public void Observe_MoreObjectsThanSlots_DropsAndCountsThem()
    {
        using var method = new RefineVisMethod(
            new FakeRefineVis(associate: (inputs, outputs) =>
            {
                FakeRefineVis.Tell(inputs, outputs);
                outputs[0].Span.Clear(); // as similar to each tracklet as to any other
            }).Models(), _pool, s_clip);
        for (var frame = 0; frame < 40; frame++)
        {
            Observe(method, 0, 1, 2, 3);
            Assert.InRange(method.Tracklets!.Value.Live, 0, FakeRefineVis.Slots);
        }

        Assert.InRange(method.Tracklets!.Value.Dropped, 1, 160);
    }

    [Fact]
    public void Observe_NothingInThePicture_RunsNoRefinementButKeepsTheFrame()
    {
        Observe(-1, -1, -1, -1);
        Assert.Empty(_runs);

        Observe(0, -1, -1, -1);

        Assert.Equal([0f, 1], _runs[0].WindowFrames);
        Assert.All(_runs[0].Window[..Hidden], value => Assert.Equal(0, value));
    }

    /// <summary>The only object leaves; IDOL takes the best query for it, which is none.</summary>
    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public void Observe_NothingDetectedForLong_ForgetsTheObjectUnlessTheBestQueryCounts(bool keepsBest, long next)
    {
        using var method = new RefineVisMethod(new FakeRefineVis().Models(), _pool, s_clip, keepsBest);
        Observe(method, 0, -1, -1, -1);
        for (var frame = 0; frame < 12; frame++) Observe(method, -1, -1, -1, -1);

        Observe(method, -1, 2, -1, -1);

        Assert.Equal([next], method.Store.Live.Select(t => t.Id));
    }

    [Fact]
    public void Observe_DroppedFrames_CountInTheFrameNumbersWhichRepeatAfterThePeriod()
    {
        Observe(0, -1, -1, -1);
        _frame += FakeRefineVis.Period + 4;
        Observe(0, -1, -1, -1);

        Assert.Equal([0f, 5], _runs[1].WindowFrames);
    }

    [Fact]
    public void Revise_AllFramesAttendToAllRawEmbeddings()
    {
        int[][] frames = [[0, -1, -1, -1], [-1, 0, -1, -1], [-1, -1, -1, -1], [0, -1, -1, 3]];
        foreach (var frame in frames) Observe(frame);
        _runs.Clear();

        using var revision = _sut.Revise(_answers);

        var run = Assert.Single(_runs);
        Assert.Equal([0f, 1, 2, 3], run.QueryFrames);
        Assert.Equal(run.Query, run.Window);
        Assert.Equal(run.QueryFrames, run.WindowFrames);
        float[] first = [1, 0, 0, 0, 1, 0], second = [0, 0, 0, 1, 1, 0], none = new float[Hidden];
        Assert.Equal([.. first, .. none, .. first, .. none, .. none, .. none, .. first, .. second], run.Query);
        Assert.True(revision.StandsAlone);
        // The fake fills the gap of the first object; the second has a mask also before it was seen.
        for (var t = 0; t < 4; t++)
            Assert.Equal(1, revision.MaskEmbeds.Span[t * FakeRefineVis.Slots * Masks]);
        Assert.Equal([0, 1, FakeDvis.Classes], new[] { 0, 1, 2 }.Select(s => ClassIn(revision.Logits.Span, s)));
    }

    [Fact]
    public void Revise_ClassScores_AreTheMeanOverTheDetections()
    {
        // Three detections that the refinement is sure of, sure of, and denies; and one frame without any.
        float[][] logits = [[4, 0, 0], [4, 0, 0], [0, 0, 4], [0, 0, 9]];
        using var method = Scripted(logits);
        int[][] frames = [[0, -1, -1, -1], [0, -1, -1, -1], [0, -1, -1, -1], [-1, -1, -1, -1]];
        foreach (var frame in frames) Observe(method, frame);

        using var revision = method.Revise(_answers);

        var (sure, denied) = (Softmax(4, 4, 0, 0), Softmax(0, 0, 0, 4));
        var found = revision.Logits.Span[..Width].ToArray();
        Assert.Equal((2 * sure + denied) / 3, MathF.Exp(found[0]), 1e-5f);
        // A detection keeps its mask; a frame without one has none when the refinement says "no object".
        Assert.Equal([1f, 1, 1, 0], Enumerable.Range(0, 4).Select(
            t => revision.MaskEmbeds.Span[t * FakeRefineVis.Slots * Masks]));
    }

    [Fact]
    public void Revise_WindowWithoutObjects_RunsNothing()
    {
        Observe(-1, -1, -1, -1);

        using var revision = _sut.Revise(_answers);

        Assert.Empty(_runs);
        Assert.Equal(FakeDvis.Classes, ClassIn(revision.Logits.Span, 0));
    }

    [Fact]
    public void Reset_BeginsAsANewStream()
    {
        for (var frame = 0; frame < 3; frame++) Observe(0, 1, -1, -1);
        _sut.Reset();

        var answer = Observe(-1, 3, -1, -1);

        Assert.Equal([0f], _runs[^1].WindowFrames);
        Assert.Equal(0, Assert.Single(answer.Tracklets!, id => id != QueryFrame.NoTracklet));
    }

    [Fact]
    public void Observe_GraphFails_ReturnsItsTensors()
    {
        using var method = new RefineVisMethod(
            new FakeRefineVis(refine: (_, _) => throw new ModelException("failed")).Models(), _pool, null);

        Assert.Throws<ModelException>(() => Observe(method, 0, -1, -1, -1));
    }

    private static RefineVisMethod Scripted(float[][] logits, TensorPool pool) => new(
        new FakeRefineVis(refine: (inputs, outputs) =>
        {
            FakeRefineVis.Remember(inputs, outputs);
            var rows = outputs[1].Length / Width;
            for (var row = 0; row < rows && rows == logits.Length; row++)
                logits[row].CopyTo(outputs[1].Span[(row * Width)..]);
        }).Models(), pool, s_clip);

    private RefineVisMethod Scripted(float[][] logits) => Scripted(logits, _pool);

    private static float Softmax(float of, params float[] logits)
        => MathF.Exp(of) / logits.Sum(MathF.Exp);

    private static int ClassIn(ReadOnlySpan<float> logits, int slot)
    {
        var row = logits.Slice(slot * Width, Width);
        var best = 0;
        for (var c = 1; c < Width; c++)
            if (row[c] > row[best]) best = c;
        return best;
    }

    private static int Slot(QueryFrame answer, int item)
    {
        for (var slot = 0; slot < FakeRefineVis.Slots; slot++)
            if (answer.MaskEmbeds.Span[slot * Masks + item] > 0) return slot;
        return -1;
    }

    private QueryFrame Observe(params int[] items) => Observe(_sut, items);

    /// <param name="items">Object of each query; -1: none.</param>
    private QueryFrame Observe(RefineVisMethod method, params int[] items)
    {
        var input = InputGeometry.For(64, 64, FakeRefineVis.Manifest.Input, FakeDvis.Stride);
        var cells = input.MaskWidth * input.MaskHeight;
        var (embeds, features) = (
            _pool.Rent(1, items.Length, Hidden), _pool.Rent(1, Masks, input.MaskHeight, input.MaskWidth));
        embeds.Span.Clear();
        for (var q = 0; q < items.Length; q++)
            if (items[q] >= 0) embeds.Span[q * Hidden + items[q]] = embeds.Span[q * Hidden + FakeDvis.Present] = 1;
        for (var i = 0; i < features.Length; i++)
            features.Span[i] = i % input.MaskWidth / 4 == i / cells ? 1 : -1;
        using var frame = new SegmentedFrame(Some.FrameInfo(64, 64, _frame++), input, embeds, features, default);
        var answer = method.Observe(frame);
        _answers.Add(answer);
        return answer;
    }

    private sealed record Run(
        float[] Query, float[] QueryFrames, float[] Window, float[] WindowFrames, int Tracklets);
}
