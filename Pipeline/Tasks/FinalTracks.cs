using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// Makes the tracks of a final result, from the refiner's answer or from what the provisional results had said. Buffers are
/// reused; not thread-safe.
/// </summary>
public sealed class FinalTracks
{
    private readonly CameraContext _camera;
    private readonly MaskReader _masks;
    private readonly int _queries, _classes, _maskChannels;
    private readonly float[] _probabilities, _mean;
    private readonly List<int> _wanted = [], _order = [];
    private readonly List<MaskBits> _taken = [];
    private readonly GatheredTracks _tracks = new();
    private readonly FinalScenes? _scenes;

    public FinalTracks(CameraContext camera)
    {
        var manifest = camera.Models.Manifest;
        _camera = camera;
        (_queries, _classes, _maskChannels) = (manifest.Queries, manifest.ClassCount, manifest.MaskChannels);
        _masks = new MaskReader(_maskChannels, camera.Publish.Contours);
        _probabilities = new float[_queries * (_classes + 1)];
        _mean = new float[_queries * (_classes + 1)];
        if (manifest.Task != ModelTask.Vis) _scenes = new FinalScenes(camera);
    }

    /// <summary>What goes with the tracks given last; null with task <c>vis</c>.</summary>
    public SceneRevision? Scene { get; private set; }

    /// <summary>The refiner's answer for frames [first, first+count) of the window.</summary>
    public ImmutableArray<FinalTrack> FromRefiner(ClipWindow<TrackedFrame> window, RefinedClip clip, int first, int count)
    {
        Score(window, clip);
        _tracks.Clear();
        _scenes?.Clear();
        for (var t = first; t < first + count; t++)
        {
            var maskEmbeds = clip.MaskEmbeds.Span.Slice(t * _queries * _maskChannels, _queries * _maskChannels);
            if (_scenes is null) Read(window.Frames[t], maskEmbeds);
            else _scenes.Read(window.Frames[t], maskEmbeds, _probabilities, _tracks);
        }

        return Build(window, first, count);
    }

    /// <summary>What was shown, said again.</summary>
    public ImmutableArray<FinalTrack> FromShown(ClipWindow<TrackedFrame> window, int first, int count)
    {
        _tracks.Clear();
        _scenes?.Clear();
        for (var t = first; t < first + count; t++)
        {
            var frame = window.Frames[t];
            _scenes?.Repeat(frame);
            foreach (var shown in frame.Shown)
            {
                var number = Resolve(frame, shown.Number);
                _tracks.Of(number).Add(new FinalObservation(frame.Info.FrameId, shown.Score, true, shown.Box, shown.AreaPx, shown.Mask, shown.Contour), shown.ClassId, shown.Score);
            }
        }

        return Build(window, first, count);
    }

    /// <summary>Class probabilities of the clip: the refiner's, raised by the tracker's mean where that is higher.</summary>
    private void Score(ClipWindow<TrackedFrame> window, RefinedClip clip)
    {
        Array.Clear(_mean);
        foreach (var frame in window.Frames) TensorPrimitives.Add(_mean, frame.Logits.Span, _mean);
        TensorPrimitives.Divide(_mean, window.Frames.Count, _mean);
        ClassProbabilities.Write(clip.Logits.Span, _mean, _classes + 1, _probabilities);
    }

    private void Read(TrackedFrame frame, ReadOnlySpan<float> maskEmbeds)
    {
        _wanted.Clear();
        for (var slot = 0; slot < _queries; slot++)
        {
            if (frame.Slots[slot].Identity?.Resolve().Confirmed == true && BestClass(slot).Score >= _camera.MinScore) _wanted.Add(slot);
        }

        _masks.Load(maskEmbeds, frame.MaskFeatures, CollectionsMarshal.AsSpan(_wanted), frame.Geometry);
        _order.Clear();
        for (var row = 0; row < _wanted.Count; row++) _order.Add(row);
        _order.Sort((a, b) => Rank(b).CompareTo(Rank(a)));
        _taken.Clear();
        foreach (var row in _order)
        {
            var slot = _wanted[row];
            var (classId, score) = BestClass(slot);
            if (!_camera.IsPublished(classId)) continue;
            var track = _tracks.Of(frame.Slots[slot].Identity!.Resolve().Number);
            if (track.LastFrame == frame.Info.FrameId) continue;
            var bits = _masks.Bits(row);
            var mask = bits.IsDuplicateOf(_taken) ? null : _masks.Encode(row);
            if (mask is not null) _taken.Add(bits);
            track.Add(
                mask is null
                    ? new FinalObservation(frame.Info.FrameId, score, false, default, 0, null, null)
                    : new FinalObservation(frame.Info.FrameId, score, true, mask.Box, mask.AreaPx, mask.Mask, _masks.Trace(mask.Mask)),
                classId, score);
        }

        double Rank(int row) => FinalTracks.Rank(frame, _wanted[row], BestClass(_wanted[row]).Score);
    }

    private (int ClassId, float Score) BestClass(int slot)
    {
        var classes = _probabilities.AsSpan(slot * (_classes + 1), _classes);
        var best = TensorPrimitives.IndexOfMax<float>(classes);
        return (best, classes[best]);
    }

    private ImmutableArray<FinalTrack> Build(ClipWindow<TrackedFrame> window, int first, int count)
    {
        Scene = _scenes?.Build(window.Frames.Skip(first).Take(count));
        return _tracks.Build(number =>
        {
            int? said = null;
            for (var t = first; t < first + count; t++)
                foreach (var shown in window.Frames[t].Shown)
                    if (Resolve(window.Frames[t], shown.Number) == number) said = shown.ClassId;
            return said;
        });
    }

    /// <summary>Of several queries that show one object the highest has it: tracks that were active come first, then the better score.</summary>
    internal static double Rank(TrackedFrame frame, int slot, float score) => score + (frame.Slots[slot].State == TrackState.Active ? 1 : 0);

    internal static long Resolve(TrackedFrame frame, long number)
    {
        foreach (var slot in frame.Slots)
            if (slot.Identity?.Number == number) return slot.Identity.Resolve().Number;
        return number;
    }
}
