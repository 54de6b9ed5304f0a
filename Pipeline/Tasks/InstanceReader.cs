using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Video instance segmentation: a query with a class score of the threshold is an object.</summary>
internal sealed class InstanceReader(CameraSettings settings) : TaskReader(settings)
{
    private readonly List<int> _order = [];

    public override FrameReading Read(
        SegmentedFrame frame, QueryFrame answer, in MaskGeometry geometry, TrackManager tracks, double seconds)
    {
        var probabilities = Softmax(answer.Logits.Span);
        Wanted.Clear();
        for (var slot = 0; slot < Queries; slot++)
            if (IsTrack(probabilities, slot)) Wanted.Add(slot);

        LoadMasks(answer.MaskEmbeds.Span, frame.MaskFeatures, geometry);
        Candidates.Clear();
        for (var row = 0; row < Wanted.Count; row++)
        {
            var (classId, score) = Best(probabilities, Wanted[row]);
            if (Masks.Bits(row) is { Count: >= SmallestMask } bits && IsLargeEnough(row, classId))
                Candidates.Add(new Candidate(Wanted[row], row, classId, score, bits));
        }

        tracks.Update(
            frame.Info, seconds, Candidates, probabilities, answer.InstanceEmbeds.Span, answer.Tracklets);
        foreach (var candidate in Candidates)
        {
            if (tracks.SeenIn(candidate.Slot) is not { State: TrackState.Active } track) continue;
            if (Settings.IsPublished(track.ClassId) && Masks.Encode(candidate.Row) is { } mask) Show(track, mask);
        }

        return Reading(scene: null);
    }

    public override FrameReading Revise(
        TrackedFrame frame, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> maskEmbeds)
    {
        Wanted.Clear();
        for (var slot = 0; slot < Queries; slot++)
        {
            if (TrackOf(frame, slot) is not null && IsTrack(probabilities, slot)) Wanted.Add(slot);
        }

        LoadMasks(maskEmbeds, frame.MaskFeatures, frame.Geometry);
        _order.Clear();
        for (var row = 0; row < Wanted.Count; row++) _order.Add(row);
        SortByRank(_order, frame, probabilities);
        Taken.Clear();
        Numbers.Clear();
        foreach (var row in _order)
        {
            var (found, score) = Best(probabilities, Wanted[row]);
            var track = TrackOf(frame, Wanted[row])!;
            var classId = ClassOf(track, found);
            if (!Settings.IsPublished(classId) || !Numbers.Add(track.Number)) continue;
            var bits = Masks.Bits(row);
            var hidden = bits.IsDuplicateOf(Taken) || !IsLargeEnough(row, classId);
            var mask = hidden ? null : Masks.Encode(row);
            if (mask is not null) Taken.Add(bits);
            Show(track.Number, classId, score, mask);
        }

        return Reading(scene: null);
    }

    protected override bool IsTrack(ReadOnlySpan<float> probabilities, int slot)
        => Best(probabilities, slot) is var (classId, score) && score >= Thresholds.MinScore(classId);
}
