using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Pipeline.Tests.Zones;

/// <summary>Observation of a track: where its anchor is.</summary>
internal readonly record struct Seen(long Track, double X, double Y, int ClassId = 0);

/// <summary>A zone "door" over x 40 to 60 and a line "gate" at x 50, on frames of 100 x 100 pixels.</summary>
internal sealed class ZoneWorld(int inertia = 1, ImmutableArray<int> classes = default)
{
    private static readonly DateTimeOffset s_start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly ZoneWatch _watch = new(
        "front", Plan(inertia, classes.IsDefault ? [] : classes), TimeProvider.System);

    public List<LifecycleEvent> Events { get; } = [];

    public ZoneWatch Watch => _watch;

    public IEnumerable<(EventKind, long?, long?)> Facts(ZoneBasis basis) =>
        Events.Where(e => e.Zone!.Basis == basis).Select(e => (e.Kind, e.Track, e.Frame?.FrameId));

    public void Show(long frame, IEnumerable<Seen> seen, string epoch = "e", IdentityChange? merge = null,
        params (long, long)[] ended) => Events.AddRange(_watch.Observe(
            new(Frame(frame), epoch, [.. seen.Select(Observation)], -1, 0, new()), merge is null ? [] : [merge],
            ended));

    public void Revise(long first, IReadOnlyList<IReadOnlyList<Seen>> frames, string epoch = "e",
        FinalKind kind = FinalKind.Refined, params IdentityChange[] merges)
    {
        var last = first + frames.Count - 1;
        ImmutableArray<FinalTrack> tracks = kind == FinalKind.Skipped ? [] :
        [
            .. frames.SelectMany((seen, i) => seen.Select(s => (Seen: s, Id: first + i)))
                .GroupBy(s => (s.Seen.Track, s.Seen.ClassId)).Select(t => new FinalTrack(
                    t.Key.Track, t.Key.ClassId, 0.9f, null, [.. t.Select(s => Final(s.Id, s.Seen))])),
        ];
        ImmutableArray<FrameInfo> infos = [.. frames.Select((_, i) => Frame(first + i))];
        Events.AddRange(_watch.Observe(new FinalResult(
            "front", epoch, first, last, infos, kind, FinalReason.None, tracks, [], [.. merges], new())));
    }

    public void End() => Events.AddRange(_watch.End());

    public void EndBefore(string epoch) => Events.AddRange(_watch.EndBefore(epoch));

    private static ZonePlan Plan(int inertia, ImmutableArray<int> classes) => new(
    [
        new("door", false, [new(0.4, 0), new(0.6, 0), new(0.6, 1), new(0.4, 1)], false, classes, inertia),
        new("gate", true, [new(50, 80), new(50, 20)], true, classes, inertia),
    ]);

    private static FrameInfo Frame(long id) => new(
        "front", id, 0, id, new(1, 10), 0, s_start, new(s_start.AddSeconds(id), ClockSource.Synthetic, 0, 0, true),
        100, 100);

    private static Box BoxOf(Seen s) => new((float)s.X - 2, (float)s.Y - 10, 4, 10);

    private static TrackObservation Observation(Seen s) => new(
        s.Track, s.ClassId, 0.9f, TrackState.Active, 1, BoxOf(s), 40, 0, 0, false, null, null);

    private static FinalObservation Final(long frame, Seen s) => new(frame, 0.9f, true, BoxOf(s), 40, null, null);
}
