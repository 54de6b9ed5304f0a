using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Video semantic segmentation: every pixel has a class, and there are no objects to track.</summary>
internal sealed class SemanticTask(CameraContext camera) : FrameTask(camera)
{
    private readonly ClassMemory _memory = new(camera.Models.Manifest.Queries, camera.Models.Manifest.ClassCount + 1);
    private readonly SceneBuilder _scenes = new(camera);
    private MaskGeometry _geometry;

    public override void Find(QueryFrame step, Memory.Tensor maskFeatures, in MaskGeometry geometry)
    {
        _geometry = geometry;
        SoftMax(_memory.Take(step.Logits.Span));
        Wanted.Clear();
        foreach (var query in _scenes.Weigh(Probabilities)) Wanted.Add(query);
        LoadMasks(step, maskFeatures, geometry, bits: false);
    }

    public override (ImmutableArray<TrackObservation> Tracks, Scene? Scene) Show(TrackManager lives, QueryFrame step) => ([], _scenes.Semantic(Masks, _geometry));

    public override void Reset() => _memory.Clear();
}
