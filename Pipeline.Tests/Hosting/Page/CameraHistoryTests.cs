using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>Tracks and events that the page lists.</summary>
public sealed class CameraHistoryTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly TempFolder _temp = new();
    private readonly ModelManifest _model;
    private readonly CameraHistory _sut;
    private long _sequence;

    public CameraHistoryTests()
    {
        _model = ModelFolder.Open(TinyDvis.Write(_temp.Path("model"))).Manifest;
        _sut = new(_time);
    }

    [Fact]
    public void Tracks_OverTheirLives_AreListedUntilAMinuteAfterTheirEnd()
    {
        See(1, 1);
        See(2, 1, 2);
        Tell(EventKind.TrackLost, 1);
        Assert.Equal(
            [("E-2", "active", 2, 2, true, false), ("E-1", "lost", 1, 2, false, false)], Listed());

        See(3, 1);
        Assert.Equal(("E-1", "active", 1, 3, true, false), Listed()[1]);
        Tell(EventKind.TrackEnded, 1);
        Tell(EventKind.TrackFinalized, 1, classId: 1);
        Assert.Equal(("E-1", "ended", 1, 3, false, true), Listed()[1]);
        Assert.Equal("square", _sut.Tracks[1].Label);

        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(2, Listed().Length);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("E-2", Assert.Single(Listed()).Id);
    }

    [Fact]
    public void Tracks_MoreThanAreKept_LoseEndedOnesThenTheOldest()
    {
        for (var number = 1; number <= 250; number++) See(number, number);
        Tell(EventKind.TrackEnded, 249);
        See(251, 251);

        Assert.Equal(200, _sut.Tracks.Length);
        Assert.Equal(["E-251", "E-250", "E-248"], _sut.Tracks.Take(3).Select(t => t.Id));
    }

    [Fact]
    public void Events_AreTheLastHundred_NewestFirst()
    {
        for (var number = 1; number <= 130; number++) Tell(EventKind.TrackStarted, number);

        Assert.Equal(Enumerable.Range(31, 100).Reverse().Select(n => $"E-{n}"), _sut.Events.Select(e => e.Track));
        var first = _sut.Events[0];
        Assert.Equal(("track.started", "circle", 0.5), (first.Kind, first.Label, first.Score));
    }

    public void Dispose() => _temp.Dispose();

    private (string Id, string State, long First, long Last, bool HasBox, bool Final)[] Listed() =>
        [.. _sut.Tracks.Select(t => (t.Id, t.State, t.FirstFrame, t.LastFrame, t.Box is not null, t.Final))];

    private void See(long frame, params long[] numbers) => _sut.Add(
        new ProvisionalResult(
            Some.FrameInfo(8, 8, frame), "E",
            [
                .. numbers.Select(n => new TrackObservation(
                    n, 0, 0.5f, TrackState.Active, 1, new(0, 0, 4, 4), 16, 2, 2, false, new(1, 1, [0, 1]), null)),
            ],
            -1, 0, new StageLatency()), _model);

    private void Tell(EventKind kind, long track, int classId = 0)
    {
        var e = new LifecycleEvent(
            "cam", "E", ++_sequence, kind, Some.Now, track, classId, 0.5f, null, null, null);
        _sut.Add(e, EventRecord.Of(e, _model));
    }
}
