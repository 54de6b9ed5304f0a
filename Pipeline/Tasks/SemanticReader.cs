using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Video semantic segmentation: every pixel has a class; there are no tracks.</summary>
internal sealed class SemanticReader(CameraSettings settings) : TaskReader(settings)
{
    private readonly ClassMemory _memory = new(settings.Manifest.Queries, settings.Manifest.ClassCount + 1);
    private readonly SceneBuilder _scenes = new(settings);

    public override FrameReading Read(
        SegmentedFrame frame, QueryFrame answer, in MaskGeometry geometry, TrackManager tracks, double seconds)
        => Read(Softmax(_memory.Take(answer.Logits.Span)), answer.MaskEmbeds.Span, frame.MaskFeatures, geometry);

    public override FrameReading Revise(
        TrackedFrame frame, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> maskEmbeds,
        ReadOnlySpan<float> own)
        => Read(probabilities, maskEmbeds, frame.MaskFeatures, frame.Geometry);

    public override void Reset() => _memory.Clear();

    private FrameReading Read(
        ReadOnlySpan<float> probabilities, ReadOnlySpan<float> maskEmbeds, Tensor maskFeatures,
        in MaskGeometry geometry)
    {
        Masks.Load(maskEmbeds, maskFeatures, _scenes.Weigh(probabilities), geometry, bits: false);
        return Reading(_scenes.Semantic(Masks, geometry));
    }
}
