using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// Video panoptic segmentation: things are tracked, stuff is one segment per class, and a pixel belongs to at most one.
/// Queries compete by the official rule on this frame; pixels of an unconfirmed thing are void until its track is
/// published, and a second query on a tracked object does not compete. A track begins where a query competes, and
/// continues down to the lower score of tracks.
/// </summary>
internal sealed class PanopticReader(CameraSettings settings) : TaskReader(settings)
{
    private readonly ClassMemory _memory = new(settings.Manifest.Queries, settings.Manifest.ClassCount + 1);
    private readonly SceneBuilder _scenes = new(settings);
    private readonly bool[] _isThing = [.. settings.Manifest.Classes.Select(c => c.IsThing)];
    private readonly List<Claim> _claims = [];
    private readonly List<int> _things = [];

    // By slot: its last track, and whether one was seen in the last frame.
    private readonly long[] _tracks = new long[settings.Manifest.Queries];
    private readonly bool[] _seen = new bool[settings.Manifest.Queries];

    public override FrameReading Read(
        SegmentedFrame frame, QueryFrame answer, in MaskGeometry geometry, TrackManager tracks, double seconds)
    {
        var probabilities = Softmax(_memory.Take(answer.Logits.Span));
        Wanted.Clear();
        for (var slot = 0; slot < Queries; slot++)
        {
            var (classId, score) = Best(probabilities, slot);
            var continues = _isThing[classId] && _seen[slot] && score >= Thresholds.MinScore(classId);
            if (continues || Competes(probabilities, slot)) Wanted.Add(slot);
        }

        LoadMasks(answer.MaskEmbeds.Span, frame.MaskFeatures, geometry);
        Claim(probabilities);
        tracks.Update(
            frame.Info, seconds, Candidates, probabilities, answer.InstanceEmbeds.Span, answer.Tracklets);
        GiveTracks(tracks);
        var scene = _scenes.Panoptic(Masks, _claims, geometry);
        foreach (var (thing, mask) in _scenes.Things) Show(tracks.SeenIn(Wanted[thing.Row])!, mask);
        Remember(tracks, answer.Logits.Span);
        return Reading(scene);
    }

    public override FrameReading Revise(
        TrackedFrame frame, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> maskEmbeds)
    {
        Wanted.Clear();
        for (var slot = 0; slot < Queries; slot++)
        {
            if (!Competes(probabilities, slot)) continue;
            if (!_isThing[Best(probabilities, slot).ClassId] || TrackOf(frame, slot) is not null) Wanted.Add(slot);
        }

        LoadMasks(maskEmbeds, frame.MaskFeatures, frame.Geometry);
        Claim(frame, probabilities);
        var scene = _scenes.Panoptic(Masks, _claims, frame.Geometry);
        Numbers.Clear();
        foreach (var (thing, mask) in _scenes.Things)
        {
            Numbers.Add(thing.Track!.Value);
            Show(thing.Track.Value, thing.ClassId, thing.Score, mask);
        }

        foreach (var claim in _claims)
        {
            if (claim.Track is { } number && Settings.IsPublished(claim.ClassId) && Numbers.Add(number))
                Show(number, claim.ClassId, claim.Score, mask: null);
        }

        return Reading(scene);
    }

    public override void Reset()
    {
        _memory.Clear();
        Array.Clear(_tracks);
        Array.Clear(_seen);
    }

    protected override bool IsTrack(ReadOnlySpan<float> probabilities, int slot)
        => Competes(probabilities, slot) && _isThing[Best(probabilities, slot).ClassId];

    private bool Competes(ReadOnlySpan<float> probabilities, int slot)
    {
        var score = Best(probabilities, slot).Score;
        return score >= probabilities[slot * (Classes + 1) + Classes] && score > Settings.PanopticRule.ObjectScore;
    }

    /// <summary>Claims of a new frame, things without a track yet, and the candidates for tracks.</summary>
    private void Claim(Span<float> probabilities)
    {
        _claims.Clear();
        Candidates.Clear();
        for (var row = 0; row < Wanted.Count; row++)
        {
            var slot = Wanted[row];
            var (classId, score) = Best(probabilities, slot);
            if (Competes(probabilities, slot)) _claims.Add(new Claim(row, classId, score, _isThing[classId], null));
            if (_isThing[classId] && Masks.Bits(row) is { Count: >= SmallestMask } bits && IsLargeEnough(row, classId))
                Candidates.Add(new Candidate(slot, row, classId, score, bits));
            // Tracks are things: stuff has no vote on their class.
            for (var k = 0; k < Classes; k++)
                if (!_isThing[k]) probabilities[slot * (Classes + 1) + k] = 0;
        }
    }

    /// <summary>Gives the things of a new frame the class and, once it is shown, the number of their tracks.</summary>
    private void GiveTracks(TrackManager tracks)
    {
        _claims.RemoveAll(c => c.IsThing && tracks.SeenIn(Wanted[c.Row]) is null);
        for (var k = 0; k < _claims.Count; k++)
        {
            if (!_claims[k].IsThing) continue;
            var track = tracks.SeenIn(Wanted[_claims[k].Row])!;
            long? number = track.State == TrackState.Active ? track.Identity.Number : null;
            _claims[k] = _claims[k] with { ClassId = track.ClassId, Track = number };
        }
    }

    /// <summary>Claims of a revised frame: stuff, and of things the query of highest rank of each object.</summary>
    private void Claim(TrackedFrame frame, ReadOnlySpan<float> probabilities)
    {
        _claims.Clear();
        _things.Clear();
        for (var row = 0; row < Wanted.Count; row++)
        {
            var (classId, score) = Best(probabilities, Wanted[row]);
            var track = _isThing[classId] ? TrackOf(frame, Wanted[row]) : null;
            var claimed = track is null ? classId : ClassOf(track, classId);
            _claims.Add(new Claim(row, claimed, score, _isThing[classId], track?.Number));
            if (_isThing[classId]) _things.Add(row);
        }

        SortByRank(_things, frame, probabilities);
        Taken.Clear();
        Numbers.Clear();
        foreach (var row in _things)
        {
            var bits = Masks.Bits(row);
            if (!IsLargeEnough(row, _claims[row].ClassId)) continue;
            if (!bits.IsDuplicateOf(Taken) && Numbers.Add(_claims[row].Track!.Value)) Taken.Add(bits);
        }

        _claims.RemoveAll(c => c.IsThing && !Taken.Contains(Masks.Bits(c.Row)));
    }

    /// <summary>Restarts the class votes of slots whose object has changed.</summary>
    private void Remember(TrackManager tracks, ReadOnlySpan<float> logits)
    {
        for (var slot = 0; slot < Queries; slot++)
        {
            var track = tracks.SeenIn(slot);
            _seen[slot] = track is not null;
            if (track is null || track.Identity.Number == _tracks[slot]) continue;
            if (_tracks[slot] != 0) _memory.Restart(slot, logits);
            _tracks[slot] = track.Identity.Number;
        }
    }
}
