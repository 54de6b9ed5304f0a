using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.GenVis;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Methods.GenVis;

public sealed class GenVisMethodTests : IDisposable
{
    private static readonly TimeSpan s_delay = TimeSpan.FromSeconds(3);
    private readonly ManualTime _time = new();
    private readonly List<QueryFrame> _answers = [];
    private CameraRig? _rig;
    private GenVisMethod? _sut;

    public void Dispose()
    {
        foreach (var answer in _answers) answer.Dispose();
        _sut?.Dispose();
        _rig?.Dispose();
    }

    /// <summary>Peeks see the clip's frames so far and its query; only whole clips change what the next one gets.
    /// </summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Observe_ClipsOfAnyLength_HandsOnWhatTheRecurrenceSays(int clip)
    {
        var traced = Begin(clip);
        for (var frame = 0; frame < 8 * clip; frame++)
        {
            Observe(frame);

            AssertRun(traced, frame % clip + 1);
            if (frame % clip == clip - 1) traced.Commit([.. Enumerable.Range(frame - clip + 1, clip)]);
        }

        Assert.Equal(clip == 1 ? 0 : clip, _answers[^1].ClipPlace);
        Assert.Equal(new MemoryUse(4, 4), _sut!.Memory);
    }

    [Fact]
    public void Observe_ClipOlderThanTheDelay_IsEndedBeforeTheFrame()
    {
        var traced = Begin(3);
        Observe(0);
        _time.Advance(s_delay / 2);
        Observe(1);
        _time.Advance(s_delay / 2);

        Observe(2);

        traced.Commit(0, 1);
        AssertRun(traced, 1);
        Observe(3);
        Observe(4);
        AssertRun(traced, 3);
        traced.Commit(2, 3, 4);
        Observe(5);
        AssertRun(traced, 1);
        Assert.Equal([1, 2, 1, 2, 3, 1], _answers.Select(a => a.ClipPlace));
    }

    [Fact]
    public void Reset_InAClip_BeginsAsANewStream()
    {
        var traced = Begin(2);
        for (var frame = 0; frame < 5; frame++) Observe(frame);

        _sut!.Reset();

        Assert.Equal(new MemoryUse(0, 0), _sut.Memory);
        traced.Reset();
        Observe(5);
        AssertRun(traced, 1);
        Observe(6);
        traced.Commit(5, 6);
        Observe(7);
        AssertRun(traced, 1);
    }

    /// <summary>The slot restarts at once; the others are unchanged.</summary>
    [Theory]
    [InlineData(1, 4)]
    [InlineData(3, 5)]
    [InlineData(3, 6)]
    public void Release_OneSlot_BeginsItAnewAlone(int clip, int before)
    {
        var traced = Begin(clip);
        for (var frame = 0; frame < before; frame++)
        {
            Observe(frame);
            if (frame % clip == clip - 1) traced.Commit([.. Enumerable.Range(frame - clip + 1, clip)]);
        }

        _sut!.Release(2);
        traced.Release(2);

        for (var frame = before; frame < before + 2 * clip; frame++)
        {
            Observe(frame);
            AssertRun(traced, frame % clip + 1);
            if (frame % clip == clip - 1) traced.Commit([.. Enumerable.Range(frame - clip + 1, clip)]);
        }
    }

    /// <summary>The clip's last run still saw the old object: its entry must not come into the new column.</summary>
    [Fact]
    public void Release_BeforeTheClipEndsByItsAge_LeavesNothingOfTheObject()
    {
        var traced = Begin(3);
        Observe(0);
        _sut!.Release(1);
        _time.Advance(s_delay);

        Observe(1);

        traced.Commit(0);
        traced.Release(1);
        AssertRun(traced, 1);
    }

    [Fact]
    public void Revise_Clip_IsItsLastRunForEveryFrame()
    {
        Begin(3);
        for (var frame = 0; frame < 3; frame++) Observe(frame);
        float[] logits = [.. _answers[2].Logits.Span], masks = [.. _answers[2].MaskEmbeds.Span];
        foreach (var answer in _answers) answer.MaskEmbeds.Dispose(); // as the frame's reader does

        using var revision = _sut!.Revise(_answers);

        Assert.True(revision.StandsAlone);
        Assert.Equal(logits, revision.Logits.Span);
        Assert.Equal([3, FakeDvis.Queries, FakeDvis.MaskChannels], revision.MaskEmbeds.Shape);
        for (var t = 0; t < 3; t++)
            Assert.Equal(masks, revision.MaskEmbeds.Span.Slice(t * masks.Length, masks.Length));
    }

    [Fact]
    public async Task Revise_BesideObserve_IsThatOfItsOwnFrames()
    {
        Begin(2);
        for (var frame = 0; frame < 400; frame++) Observe(frame);
        QueryFrame[] before = [.. _answers];
        float[][] masks = [.. before.Select(a => a.MaskEmbeds.Span.ToArray())];

        var observing = Task.Run(() =>
        {
            for (var frame = 400; frame < 2000; frame++) Observe(frame);
            _sut!.Reset();
        });
        for (var i = 0; i < before.Length; i += 2)
        {
            using var revision = _sut!.Revise(before[i..(i + 2)]);
            Assert.Equal(masks[i + 1], revision.MaskEmbeds.Span[..masks[i].Length]);
        }

        await observing;
    }

    private TracedGenVis Begin(int clip)
    {
        var traced = new TracedGenVis(clip);
        _rig = new CameraRig(traced.Models(), _time);
        _sut = new GenVisMethod(_rig.Models, _rig.Tensors, _time, s_delay);
        return traced;
    }

    private void Observe(int number)
    {
        var embeds = _rig!.Tensors.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
        TracedGenVis.Frame(number).CopyTo(embeds.Span);
        using var frame = new SegmentedFrame(
            Some.FrameInfo(4, 4, number), default, embeds, _rig.Tensors.Rent(1), default);
        _answers.Add(_sut!.Observe(frame));
    }

    private static void AssertRun(TracedGenVis traced, int frames)
    {
        Assert.Equal(frames, traced.Runs[^1].Frames);
        for (var i = 0; i < traced.Query.Length; i++) Assert.Equal(traced.Query[i], traced.Runs[^1].Query[i], 1e-4f);
    }
}
