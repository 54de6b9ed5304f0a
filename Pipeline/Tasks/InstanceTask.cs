using System.Collections.Immutable;
using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Video instance segmentation: every query that is sure of a class is an object with a mask of its own.</summary>
internal sealed class InstanceTask(CameraContext camera) : FrameTask(camera)
{
    public override void Find(QueryFrame step, Memory.Tensor maskFeatures, in MaskGeometry geometry)
    {
        Wanted.Clear();
        Candidates.Clear();
        SoftMax(step.Logits.Span);
        for (var slot = 0; slot < Queries; slot++)
            if (TensorPrimitives.Max<float>(Row(slot)[..Classes]) >= Camera.MinScore) Wanted.Add(slot);

        LoadMasks(step, maskFeatures, geometry);
        for (var row = 0; row < Wanted.Count; row++)
        {
            var scores = Row(Wanted[row])[..Classes];
            var best = TensorPrimitives.IndexOfMax<float>(scores);
            if (Masks.Bits(row).Count >= SmallestMask) Candidates.Add(new Candidate(Wanted[row], row, best, scores[best], Masks.Bits(row)));
        }
    }

    public override (ImmutableArray<TrackObservation> Tracks, Scene? Scene) Show(TrackManager lives, QueryFrame step)
    {
        var shown = ImmutableArray.CreateBuilder<TrackObservation>();
        foreach (var candidate in Candidates)
        {
            if (lives.SeenIn(candidate.Slot) is not { State: TrackState.Active } life || !Camera.IsPublished(life.ClassId)) continue;
            if (Masks.Encode(candidate.Row) is { } mask) shown.Add(Observe(life, mask));
        }

        shown.Sort((a, b) => a.Number.CompareTo(b.Number));
        return (shown.DrainToImmutable(), null);
    }
}
