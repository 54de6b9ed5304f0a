using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// What the model's task makes of one tracked frame: which queries claim an object, and what of it is shown. One per camera;
/// <see cref="Find"/> and <see cref="Show"/> in turn.
/// </summary>
internal abstract class FrameTask(CameraContext camera)
{
    /// <summary>Cells of the network's grid below which a mask is noise.</summary>
    protected const int SmallestMask = 3;

    public static FrameTask For(CameraContext camera) => camera.Models.Manifest.Task switch
    {
        ModelTask.Vps => new PanopticTask(camera),
        ModelTask.Vss => new SemanticTask(camera),
        _ => new InstanceTask(camera),
    };

    /// <summary>Slots that claim an object which can be tracked.</summary>
    public List<Candidate> Candidates { get; } = [];

    /// <summary>Shape [Q,K+1], of the last <see cref="Find"/>.</summary>
    public float[] Probabilities { get; } = new float[camera.Models.Manifest.Queries * (camera.Models.Manifest.ClassCount + 1)];

    protected CameraContext Camera { get; } = camera;

    protected MaskReader Masks { get; } = new(camera.Models.Manifest.MaskChannels, camera.Publish.Contours);

    /// <summary>Queries whose masks were made; row k of <see cref="Masks"/> is Wanted[k].</summary>
    protected List<int> Wanted { get; } = [];

    protected int Queries { get; } = camera.Models.Manifest.Queries;

    protected int Classes { get; } = camera.Models.Manifest.ClassCount;

    /// <summary>Fills <see cref="Candidates"/> and <see cref="Probabilities"/>.</summary>
    public abstract void Find(TrackerStep step, Memory.Tensor maskFeatures, in MaskGeometry geometry);

    /// <summary>What is shown of the frame, after the lives of its tracks are known.</summary>
    public abstract (ImmutableArray<TrackObservation> Tracks, Scene? Scene) Show(TrackManager lives, TrackerStep step);

    /// <summary>A new epoch begins.</summary>
    public virtual void Reset()
    {
    }

    protected Span<float> Row(int slot) => Probabilities.AsSpan(slot * (Classes + 1), Classes + 1);

    protected void SoftMax(ReadOnlySpan<float> logits)
    {
        for (var slot = 0; slot < Queries; slot++) MaskKernels.Softmax(logits.Slice(slot * (Classes + 1), Classes + 1), Row(slot));
    }

    protected void LoadMasks(TrackerStep step, Memory.Tensor maskFeatures, in MaskGeometry geometry, bool bits = true)
        => Masks.Load(step.MaskEmbeds.Span, maskFeatures, CollectionsMarshal.AsSpan(Wanted), geometry, bits);

    protected TrackObservation Observe(Track life, EncodedMask mask) => new(
        life.Identity.Number, life.ClassId, life.Score, life.State, life.Age, mask.Box, mask.AreaPx,
        mask.CentroidX, mask.CentroidY, mask.Truncated, mask.Mask, Masks.Trace(mask.Mask));
}
