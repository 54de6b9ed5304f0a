using System.Collections.Immutable;
using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// Video panoptic segmentation: things are tracked, stuff is one segment a class, and every pixel belongs to at most one. Queries compete by
/// the official rule on this frame; what an unconfirmed thing wins is nobody's until its track is shown, and a second
/// query on a tracked object does not compete. A track begins where a query competes, and goes on down to the lower score of tracks.
/// </summary>
internal sealed class PanopticTask : FrameTask
{
    private readonly ClassMemory _memory;
    private readonly SceneBuilder _scenes;
    private readonly bool[] _isThing;

    // By slot: class and score with which it takes part in the competition; class -1: it does not.
    private readonly (int ClassId, float Score)[] _claimed;
    private readonly long[] _tracks;
    private readonly bool[] _seen; // a track was seen in the slot in the last frame
    private readonly List<Claim> _claims = [];
    private MaskGeometry _geometry;

    public PanopticTask(CameraContext camera)
        : base(camera)
    {
        _memory = new ClassMemory(Queries, Classes + 1);
        _scenes = new SceneBuilder(camera);
        _isThing = [.. camera.Models.Manifest.Classes.Select(c => c.IsThing)];
        _claimed = new (int, float)[Queries];
        (_tracks, _seen) = (new long[Queries], new bool[Queries]);
    }

    public override void Find(QueryFrame step, Memory.Tensor maskFeatures, in MaskGeometry geometry)
    {
        _geometry = geometry;
        SoftMax(_memory.Take(step.Logits.Span));
        Wanted.Clear();
        Candidates.Clear();
        for (var slot = 0; slot < Queries; slot++)
        {
            var scores = Row(slot);
            var best = TensorPrimitives.IndexOfMax<float>(scores[..Classes]);
            var score = scores[best];
            _claimed[slot] = score >= scores[Classes] && score > Camera.Panoptic.ObjectScore ? (best, score) : (-1, 0);
            if (_claimed[slot].ClassId >= 0 || (_isThing[best] && _seen[slot] && score >= Camera.MinScore)) Wanted.Add(slot);
        }

        LoadMasks(step, maskFeatures, geometry);
        for (var row = 0; row < Wanted.Count; row++)
        {
            var slot = Wanted[row];
            var best = TensorPrimitives.IndexOfMax<float>(Row(slot)[..Classes]);
            if (_isThing[best] && Masks.Bits(row).Count >= SmallestMask) Candidates.Add(new Candidate(slot, row, best, Row(slot)[best], Masks.Bits(row)));
            // A track is of a thing: stuff has no vote on its class.
            for (var k = 0; k < Classes; k++)
                if (!_isThing[k]) Row(slot)[k] = 0;
        }
    }

    public override (ImmutableArray<TrackObservation> Tracks, Scene? Scene) Show(TrackManager lives, QueryFrame step)
    {
        _claims.Clear();
        for (var row = 0; row < Wanted.Count; row++)
        {
            var slot = Wanted[row];
            var (classId, score) = _claimed[slot];
            if (classId < 0) continue;
            if (!_isThing[classId]) _claims.Add(new Claim(row, classId, score, false, null));
            else if (lives.SeenIn(slot) is { } life) _claims.Add(new Claim(row, life.ClassId, score, true, life.State == TrackState.Active ? life.Identity.Number : null));
        }

        var scene = _scenes.Panoptic(Masks, _claims, _geometry);
        var shown = ImmutableArray.CreateBuilder<TrackObservation>(_scenes.Things.Count);
        foreach (var (thing, mask) in _scenes.Things) shown.Add(Observe(lives.SeenIn(Wanted[thing.Row])!, mask));
        shown.Sort((a, b) => a.Number.CompareTo(b.Number));
        Remember(lives, step);
        return (shown.DrainToImmutable(), scene);
    }

    public override void Reset()
    {
        _memory.Clear();
        Array.Clear(_tracks);
        Array.Clear(_seen);
    }

    /// <summary>A slot that carries another object than before begins its class anew.</summary>
    private void Remember(TrackManager lives, QueryFrame step)
    {
        for (var slot = 0; slot < Queries; slot++)
        {
            _seen[slot] = lives.SeenIn(slot) is not null;
            if (lives.SeenIn(slot) is not { } life || life.Identity.Number == _tracks[slot]) continue;
            if (_tracks[slot] != 0) _memory.Restart(slot, step.Logits.Span);
            _tracks[slot] = life.Identity.Number;
        }
    }
}
