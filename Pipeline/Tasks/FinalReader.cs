using System.Collections.Immutable;
using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Tracks and scene of a final window.</summary>
/// <param name="Retracted">Tracks that were shown in these frames and are visible in none of them now.</param>
/// <param name="Scene">Null with task <c>vis</c>.</param>
internal readonly record struct FinalReading(
    ImmutableArray<FinalTrack> Tracks, ImmutableArray<long> Retracted, SceneRevision? Scene);

/// <summary>
/// Reader of final windows: it gathers frames, read again on a revision or as they were published, into tracks. Buffers
/// are reused; not thread-safe.
/// </summary>
internal sealed class FinalReader(CameraSettings settings)
{
    private readonly TaskReader _reader = TaskReader.For(settings);
    private readonly int _width = settings.Manifest.ClassCount + 1;
    private readonly int _maskEmbeds = settings.Manifest.Queries * settings.Manifest.MaskChannels;
    private readonly bool _hasScenes = settings.Manifest.Task != ModelTask.Vis;
    private readonly float[] _probabilities = new float[settings.Manifest.Queries * (settings.Manifest.ClassCount + 1)];
    private readonly float[] _mean = new float[settings.Manifest.Queries * (settings.Manifest.ClassCount + 1)];
    private readonly SortedDictionary<long, List<Sighting>> _tracks = [], _regions = [];
    private readonly ImmutableArray<SegmentMap>.Builder _maps = ImmutableArray.CreateBuilder<SegmentMap>();

    /// <summary>Reads frames [first, first+count) of a window.</summary>
    /// <param name="revision">Revision of the whole window; null: the frames stay as they were published.</param>
    public FinalReading Read(IReadOnlyList<TrackedFrame> window, int first, int count, ClipRevision? revision)
    {
        _tracks.Clear();
        _regions.Clear();
        _maps.Clear();
        TrackedFrame[] frames = [.. window.Skip(first).Take(count)];
        if (revision is not null)
        {
            Score(window, revision);
            _reader.Vote(frames, _probabilities);
        }

        foreach (var (i, frame) in frames.Index())
        {
            var reading = revision is null
                ? Shown(frame)
                : _reader.Revise(
                    frame, _probabilities, revision.MaskEmbeds.Span.Slice((first + i) * _maskEmbeds, _maskEmbeds),
                    revision.StandsAlone ? [] : frame.Queries.Logits.Span);
            Gather(frame.Info.FrameId, reading);
        }

        var tracks = Build(_tracks, number => ClassShown(frames, number));
        return new(tracks, revision is null ? [] : [.. Retracted(frames, tracks)], _hasScenes ? Scene(frames) : null);
    }

    /// <summary>Class probabilities of the clip: the revision's, in DVIS the tracker's where they are higher.</summary>
    private void Score(IReadOnlyList<TrackedFrame> window, ClipRevision revision)
    {
        if (revision.StandsAlone)
        {
            ClassProbabilities.Write(revision.Logits.Span, tracker: [], _width, _probabilities);
            return;
        }

        Array.Clear(_mean);
        foreach (var frame in window) TensorPrimitives.Add(_mean, frame.Queries.Logits.Span, _mean);
        TensorPrimitives.Divide(_mean, window.Count, _mean);
        ClassProbabilities.Write(revision.Logits.Span, _mean, _width, _probabilities);
    }

    /// <summary>A frame as it was published, with the tracks that were merged since.</summary>
    private static FrameReading Shown(TrackedFrame frame)
    {
        var (shown, scene) = (frame.Provisional, frame.Provisional.Scene);
        if (scene?.Map is { } map)
        {
            var entries = map.Entries.Select(e => e.Track is { } number ? e with { Track = frame.Resolve(number) } : e);
            scene = scene with { Map = map with { Entries = [.. entries] } };
        }

        return new([.. shown.Tracks.Select(t => t with { Number = frame.Resolve(t.Number) })], scene);
    }

    private void Gather(long frame, in FrameReading reading)
    {
        foreach (var t in reading.Tracks)
        {
            var seen = new FinalObservation(frame, t.Score, t.Mask is not null, t.Box, t.AreaPx, t.Mask, t.Contour);
            Add(_tracks, t.Number, t.ClassId, seen);
        }

        if (reading.Scene is not { } scene) return;
        foreach (var r in scene.Regions)
            Add(_regions, r.ClassId, r.ClassId, new(frame, r.Score, true, r.Box, r.AreaPx, r.Mask, null));
        if (scene.Map is { } map) _maps.Add(map);

        static void Add(SortedDictionary<long, List<Sighting>> all, long number, int classId, FinalObservation seen)
        {
            if (!all.TryGetValue(number, out var track)) all[number] = track = [];
            track.Add(new(classId, seen));
        }
    }

    /// <summary>Tracks that are visible in any frame, by number, with their last class and best score.</summary>
    private static ImmutableArray<FinalTrack> Build(
        SortedDictionary<long, List<Sighting>> gathered, Func<long, int?> classShown)
    {
        var tracks = ImmutableArray.CreateBuilder<FinalTrack>();
        foreach (var (number, track) in gathered)
        {
            if (!track.Exists(s => s.Seen.Visible)) continue;
            var (classId, best) = (track[^1].ClassId, track.Max(s => s.Seen.Score));
            var shown = classShown(number) is { } other && other != classId ? other : (int?)null;
            tracks.Add(new FinalTrack(number, classId, best, shown, [.. track.Select(s => s.Seen)]));
        }

        return tracks.DrainToImmutable();
    }

    /// <summary>Class with which the provisional results showed a track last, or null.</summary>
    private static int? ClassShown(TrackedFrame[] frames, long number)
    {
        int? shown = null;
        foreach (var frame in frames)
            foreach (var track in frame.Provisional.Tracks)
                if (frame.Resolve(track.Number) == number) shown = track.ClassId;
        return shown;
    }

    private static IEnumerable<long> Retracted(TrackedFrame[] frames, ImmutableArray<FinalTrack> tracks)
        => frames.SelectMany(f => f.Provisional.Tracks.Select(t => f.Resolve(t.Number)))
            .Except(tracks.Select(t => t.Number)).Order();

    private SceneRevision Scene(TrackedFrame[] frames)
    {
        var regions = Build(_regions, static _ => null);
        var gone = frames.SelectMany(f => f.Provisional.Scene?.Regions ?? []).Select(r => r.ClassId)
            .Except(regions.Select(r => r.ClassId)).Order();
        return new SceneRevision(regions, [.. gone], _maps.DrainToImmutable());
    }

    private readonly record struct Sighting(int ClassId, FinalObservation Seen);
}
