using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// The part of a final result that panoptic and semantic models have beside the tracks, by the same rules as the provisional one, on the
/// refiner's classes and masks. Buffers are reused; not thread-safe.
/// </summary>
internal sealed class FinalScenes
{
    private readonly CameraContext _camera;
    private readonly int _queries, _classes;
    private readonly bool[] _isThing;
    private readonly MaskReader _masks;
    private readonly SceneBuilder _builder;
    private readonly List<int> _wanted = [], _order = [];
    private readonly List<MaskBits> _taken = [];
    private readonly List<Claim> _claims = [];
    private readonly HashSet<long> _claimed = [];
    private readonly GatheredTracks _regions = new();
    private readonly ImmutableArray<SegmentMap>.Builder _maps = ImmutableArray.CreateBuilder<SegmentMap>();

    public FinalScenes(CameraContext camera)
    {
        var manifest = camera.Models.Manifest;
        (_camera, _queries, _classes) = (camera, manifest.Queries, manifest.ClassCount);
        _isThing = [.. manifest.Classes.Select(c => c.IsThing)];
        _masks = new MaskReader(manifest.MaskChannels, camera.Publish.Contours);
        _builder = new SceneBuilder(camera);
    }

    /// <summary>A new window begins.</summary>
    public void Clear()
    {
        _regions.Clear();
        _maps.Clear();
    }

    /// <summary>One frame as the refiner sees it; its things go to <paramref name="tracks"/>.</summary>
    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    /// <param name="probabilities">Of the clip, shape [Q,K+1].</param>
    public void Read(TrackedFrame frame, ReadOnlySpan<float> maskEmbeds, ReadOnlySpan<float> probabilities, GatheredTracks tracks)
    {
        if (_camera.Models.Manifest.Task == ModelTask.Vss) ReadSemantic(frame, maskEmbeds, probabilities);
        else ReadPanoptic(frame, maskEmbeds, probabilities, tracks);
    }

    /// <summary>One frame as it was shown.</summary>
    public void Repeat(TrackedFrame frame)
    {
        if (frame.Scene is not { } scene) return;
        // A track may have turned out to be another since.
        if (scene.Map is { } map)
            scene = scene with { Map = map with { Entries = [.. map.Entries.Select(e => e.Track is { } number ? e with { Track = FinalTracks.Resolve(frame, number) } : e)] } };
        Add(frame, scene);
    }

    /// <summary>The window's last word.</summary>
    public SceneRevision Build(IEnumerable<TrackedFrame> frames)
    {
        var regions = _regions.Build(static _ => null);
        var gone = new SortedSet<int>();
        foreach (var frame in frames)
            foreach (var region in frame.Scene?.Regions ?? []) gone.Add(region.ClassId);
        foreach (var region in regions) gone.Remove(region.ClassId);
        return new SceneRevision(regions, [.. gone], _maps.DrainToImmutable());
    }

    private void ReadSemantic(TrackedFrame frame, ReadOnlySpan<float> maskEmbeds, ReadOnlySpan<float> probabilities)
    {
        _masks.Load(maskEmbeds, frame.MaskFeatures, _builder.Weigh(probabilities), frame.Geometry, bits: false);
        Add(frame, _builder.Semantic(_masks, frame.Geometry));
    }

    private void ReadPanoptic(TrackedFrame frame, ReadOnlySpan<float> maskEmbeds, ReadOnlySpan<float> probabilities, GatheredTracks tracks)
    {
        _wanted.Clear();
        for (var slot = 0; slot < _queries; slot++)
            if (Claims(slot, probabilities) is { } claim && (!_isThing[claim.ClassId] || Track(frame, slot) is not null)) _wanted.Add(slot);
        _masks.Load(maskEmbeds, frame.MaskFeatures, CollectionsMarshal.AsSpan(_wanted), frame.Geometry);
        Claim(frame, probabilities);
        var scene = _builder.Panoptic(_masks, _claims, frame.Geometry);
        foreach (var (thing, mask) in _builder.Things)
            tracks.Of(thing.Track!.Value).Add(
                new FinalObservation(frame.Info.FrameId, thing.Score, true, mask.Box, mask.AreaPx, mask.Mask, _masks.Trace(mask.Mask)), thing.ClassId, thing.Score);
        foreach (var claim in _claims)
            if (claim.Track is { } number && _camera.IsPublished(claim.ClassId) && tracks.Of(number) is var track && track.LastFrame != frame.Info.FrameId)
                track.Add(new FinalObservation(frame.Info.FrameId, claim.Score, false, default, 0, null, null), claim.ClassId, claim.Score);
        Add(frame, scene);
    }

    /// <summary>Stuff, and of things the query of highest rank of each object.</summary>
    private void Claim(TrackedFrame frame, ReadOnlySpan<float> probabilities)
    {
        _order.Clear();
        _taken.Clear();
        _claims.Clear();
        _claimed.Clear();
        for (var row = 0; row < _wanted.Count; row++)
        {
            var (classId, score) = Claims(_wanted[row], probabilities)!.Value;
            _claims.Add(new Claim(row, classId, score, _isThing[classId], _isThing[classId] ? Track(frame, _wanted[row]) : null));
            if (_isThing[classId]) _order.Add(row);
        }

        _order.Sort((a, b) => Rank(b).CompareTo(Rank(a)));
        foreach (var row in _order)
            if (_masks.Bits(row) is var bits && !bits.IsDuplicateOf(_taken) && _claimed.Add(_claims[row].Track!.Value)) _taken.Add(bits);
        _claims.RemoveAll(c => c.IsThing && !_taken.Contains(_masks.Bits(c.Row)));

        double Rank(int row) => FinalTracks.Rank(frame, _wanted[row], _claims[row].Score);
    }

    private (int ClassId, float Score)? Claims(int slot, ReadOnlySpan<float> probabilities)
    {
        var row = probabilities.Slice(slot * (_classes + 1), _classes + 1);
        var best = TensorPrimitives.IndexOfMax(row[.._classes]);
        return row[best] >= row[_classes] && row[best] > _camera.Panoptic.ObjectScore ? (best, row[best]) : null;
    }

    private static long? Track(TrackedFrame frame, int slot) => frame.Slots[slot].Identity?.Resolve() is { Confirmed: true } track ? track.Number : null;

    private void Add(TrackedFrame frame, Scene scene)
    {
        foreach (var region in scene.Regions)
            _regions.Of(region.ClassId).Add(
                new FinalObservation(frame.Info.FrameId, region.Score, true, region.Box, region.AreaPx, region.Mask, null), region.ClassId, region.Score);
        if (scene.Map is { } map) _maps.Add(map);
    }
}
