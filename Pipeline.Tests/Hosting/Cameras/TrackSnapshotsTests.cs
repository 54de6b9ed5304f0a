using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Page;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>Which picture of a track is kept. Frame n is of one grey, 60 n, with a red square on it.</summary>
public sealed class TrackSnapshotsTests : IDisposable
{
    private const string Epoch = "01JEP0CH000000000000000000";
    private static readonly Box s_square = new(40, 20, 20, 20);

    private readonly FramePool _pool = new();
    private readonly TrackSnapshots _sut;

    public TrackSnapshotsTests() => _sut = new TrackSnapshots(320, _pool);

    public void Dispose()
    {
        _sut.Clear();
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
    }

    [Fact]
    public void Take_Ended_IsTheFrameOfTheLargestScoreTimesArea_CutOut()
    {
        See(1, Track(7, score: 0.5f));
        See(2, Track(7, score: 0.9f));
        See(3, Track(7, score: 0.6f));

        var snapshot = _sut.Take(Ended(7, classId: 1))!;

        Assert.Equal((2L, 7L, 1, 0.9f), (snapshot.Frame.FrameId, snapshot.Track, snapshot.ClassId, snapshot.Score));
        Assert.Equal((s_square, new Box(37, 17, 26, 26)), (snapshot.Box, snapshot.Crop));
        var (rgb, width, height) = PageRig.Decode(snapshot.Jpeg.ToArray());
        Assert.Equal((26, 26), (width, height));
        Assert.InRange(rgb[0], 100, 140);
        var middle = rgb.AsSpan((13 * 26 + 13) * 3, 3);
        Assert.InRange(middle[0], 225, 255);
        Assert.InRange(middle[1], 0, 30);
        Assert.Null(_sut.Take(Ended(7)));
    }

    [Theory]
    [InlineData(0.59f, 1)] // nearly as good: not worth another picture
    [InlineData(0.61f, 2)]
    public void Add_Better_ReplacesFromAFifthOn(float score, long expected)
    {
        See(1, Track(7, score: 0.5f));
        See(2, Track(7, score));
        Assert.Equal(expected, _sut.Take(Ended(7))!.Frame.FrameId);
    }

    [Fact]
    public void Add_PartlyOutsideOfTheFrame_IsWorse()
    {
        See(1, Track(7, score: 0.3f));
        See(2, Track(7, score: 0.9f) with { Truncated = true });
        Assert.Equal(1, _sut.Take(Ended(7))!.Frame.FrameId);
    }

    [Theory]
    [InlineData(TrackState.Lost, 100)]
    [InlineData(TrackState.Tentative, 100)]
    [InlineData(TrackState.Active, 0)]
    public void Add_NotSeen_HasNoPicture(TrackState state, double area)
    {
        See(1, Track(7) with { State = state, AreaPx = area });
        Assert.Null(_sut.Take(Ended(7)));
    }

    [Fact]
    public void Take_Retracted_ForgetsIt()
    {
        See(1, Track(7), Track(8));
        Assert.Null(_sut.Take(Ended(7) with { Kind = EventKind.TrackRetracted }));
        Assert.Null(_sut.Take(Ended(7)));
        Assert.NotNull(_sut.Take(Ended(8)));
    }

    [Theory]
    [InlineData(0.9f, 0.5f, 1)]
    [InlineData(0.5f, 0.9f, 2)]
    public void Take_Merged_KeepsTheBetterOne(float from, float into, long expected)
    {
        See(1, Track(7, from));
        See(2, Track(8, into));
        Assert.Null(_sut.Take(Ended(7) with { Kind = EventKind.TrackIdentityChanged, Into = 8 }));

        var snapshot = _sut.Take(Ended(8))!;

        Assert.Equal((8L, expected), (snapshot.Track, snapshot.Frame.FrameId));
        Assert.Null(_sut.Take(Ended(7)));
    }

    [Fact]
    public void Take_SameNumberInAnotherEpoch_IsAnother()
    {
        See(1, Track(7));
        Assert.Null(_sut.Take(Ended(7) with { Epoch = "01JEP0CH000000000000000001" }));
    }

    [Fact]
    public void Watch_FramesCloserThanTheInterval_AreNotCopied_AndTimeMayGoBack()
    {
        WatchAt(1, TimeSpan.Zero);
        WatchAt(2, TrackSnapshots.Interval / 2);
        Assert.Equal(1, Waiting());
        WatchAt(3, TrackSnapshots.Interval);
        Assert.Equal(2, Waiting());
        WatchAt(4, -TimeSpan.FromHours(1));
        Assert.Equal(3, Waiting());
        for (var i = 5; i < 60; i++) WatchAt(i, i * TrackSnapshots.Interval);
        Assert.Equal(8, Waiting());

        long Waiting() => _pool.Outstanding;
    }

    [Fact]
    public void Add_MoreTracksThanTheBound_TheOldestLoseTheirs()
    {
        See(1, [.. Enumerable.Range(1, TrackSnapshots.MaxTracks + 1).Select(n => Track(n))]);
        Assert.Null(_sut.Take(Ended(1)));
        Assert.NotNull(_sut.Take(Ended(2)));
        Assert.NotNull(_sut.Take(Ended(TrackSnapshots.MaxTracks + 1)));
    }

    private static TrackObservation Track(long number, float score = 0.5f) => new(
        number, 0, score, TrackState.Active, 5, s_square, 400, 50, 30, false, null, null);

    private static LifecycleEvent Ended(long number, int? classId = null) => new(
        "cam", Epoch, 1, EventKind.TrackEnded, Some.Now, number, classId, 0.5f, null, null, null);

    private static FrameInfo Info(long id, TimeSpan at)
    {
        var info = Some.FrameInfo(100, 60, id);
        return info with { Capture = info.Capture with { Stamp = Some.Now + at } };
    }

    private void See(long id, params TrackObservation[] tracks)
    {
        WatchAt(id, id * TrackSnapshots.Interval);
        _sut.Add(new ProvisionalResult(
            Info(id, id * TrackSnapshots.Interval), Epoch, [.. tracks], -1, 0, new StageLatency(1, 1, null)));
    }

    private void WatchAt(long id, TimeSpan at)
    {
        using var frame = _pool.Rent(100, 60, Info(id, at));
        frame.Pixels.Fill((byte)(60 * id));
        for (var y = 20; y < 40; y++)
            for (var x = 40; x < 60; x++) ((ReadOnlySpan<byte>)[255, 0, 0]).CopyTo(frame.Pixels[((y * 100 + x) * 3)..]);
        _sut.Watch(frame);
    }
}
