using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Vita;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Methods.Vita;

public sealed class VitaMethodTests : IDisposable
{
    private const int Columns = FakeDvis.Classes + 1;
    private static readonly int[] s_all = [0, 1, 2, 3];
    private readonly List<QueryFrame> _answers = [];
    private CameraRig? _rig;
    private VitaMethod? _sut;

    public void Dispose()
    {
        foreach (var answer in _answers) answer.Dispose();
        _sut?.Dispose();
        _rig?.Dispose();
    }

    /// <summary>The segmenter's order turns, so that a slot's own query has to be followed.</summary>
    [Fact]
    public void Revise_ObjectsInOtherOrdersThanTheSlots_EachSlotTakesItsVideoQuery()
    {
        Begin();
        for (var t = 0; t < 5; t++) Observe(rotation: t, s_all);

        using var revision = _sut!.Revise(_answers);

        Assert.True(revision.StandsAlone);
        Assert.Equal([5, FakeDvis.Queries, FakeDvis.MaskChannels], revision.MaskEmbeds.Shape);
        for (var slot = 0; slot < FakeDvis.Queries; slot++)
        {
            Assert.Equal(slot % FakeDvis.Classes, Array.IndexOf([.. Logits(revision, slot)], 6f));
            for (var t = 0; t < 5; t++) Assert.Equal([slot], Masks(revision, t, slot));
        }
    }

    /// <summary>What hides in some frames is tied by the others, and has its mask in all of them.</summary>
    [Fact]
    public void Revise_ObjectHiddenInMostFrames_KeepsItsVideoQuery()
    {
        Begin();
        Observe(0, s_all);
        for (var t = 1; t < 6; t++) Observe(rotation: t, [0, 1, 3]);

        using var revision = _sut!.Revise(_answers);

        Assert.Equal(6f, Logits(revision, 2)[2 % FakeDvis.Classes]);
        Assert.Equal([2], Masks(revision, 5, 2));
    }

    [Fact]
    public void Revise_SlotThatNoVideoQueryResembles_SaysNoObject()
    {
        Begin((inputs, outputs) =>
        {
            FakeVita.Answer(inputs, outputs);
            outputs[3].Span[..FakeDvis.Hidden].Clear(); // of video query 0, which is object 3
        });
        Observe(0, s_all);

        using var revision = _sut!.Revise(_answers);

        Assert.Equal(Columns - 1, TensorPrimitives.IndexOfMax(Logits(revision, 3)));
        Assert.Empty(Masks(revision, 0, 3));
        Assert.Equal([1], Masks(revision, 0, 1));
    }

    [Fact]
    public void Revise_GraphFails_LeavesTheFramesAndNoTensor()
    {
        Begin((_, _) => throw new ModelException("failed as it was told to"));
        Observe(0, s_all);

        Assert.Throws<ModelException>(() => _sut!.Revise(_answers));

        Assert.Equal(6f, _answers[0].Logits.Span[0]);
    }

    [Fact]
    public void Clip_WithoutTheGraph_IsNoneAndFramesAreTheFronts()
    {
        var fake = new FakeDvis();
        Begin(new FakeVita(fake.Segmenter, fake.Matcher).Models(revises: false));

        Observe(0, s_all);

        Assert.Null(_sut!.Clip);
        Assert.Equal(6f, _answers[0].Logits.Span[0]);
    }

    private void Begin(FakeModel.Body? body = null)
    {
        var fake = new FakeDvis();
        Begin(new FakeVita(fake.Segmenter, fake.Matcher, body).Models());
    }

    private void Begin(ModelGraphs models)
    {
        _rig = new CameraRig(models);
        _sut = new VitaMethod(models, _rig.Tensors, new ClipLengths(20, 5, 5));
    }

    /// <summary>A frame in which object i is the segmenter's query (i + rotation) mod 4.</summary>
    private void Observe(int rotation, int[] present)
    {
        var embeds = _rig!.Tensors.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
        embeds.Span.Clear();
        for (var i = 0; i < FakeDvis.Queries; i++)
        {
            var query = embeds.Span[((i + rotation) % FakeDvis.Queries * FakeDvis.Hidden)..];
            query[i] = 1;
            query[FakeDvis.Present] = present.Contains(i) ? 1 : 0;
        }

        using var frame = new SegmentedFrame(
            Some.FrameInfo(4, 4, _answers.Count + 1), default, embeds, _rig.Tensors.Rent(1), default);
        _answers.Add(_sut!.Observe(frame));
    }

    private static Span<float> Logits(ClipRevision revision, int slot)
        => revision.Logits.Span.Slice(slot * Columns, Columns);

    /// <summary>Objects whose mask the slot has in a frame.</summary>
    private static int[] Masks(ClipRevision revision, int frame, int slot)
    {
        var row = revision.MaskEmbeds.Span.Slice(
            (frame * FakeDvis.Queries + slot) * FakeDvis.MaskChannels, FakeDvis.MaskChannels);
        var found = new List<int>();
        for (var i = 0; i < row.Length; i++)
            if (row[i] > 0) found.Add(i);
        return [.. found];
    }
}
