using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// One mode on its way through one video. What it keeps of a frame is on disk (embeddings) or a sum (class logits);
/// only a clip's embeddings are in memory. Frames count from 0. Not thread-safe.
/// </summary>
internal abstract class ModeRun(ModelManifest manifest) : IDisposable
{
    private readonly TensorSpill _maskEmbeds = new(manifest.Queries * manifest.MaskChannels, half: false);
    private readonly float[] _tracker = new float[manifest.Queries * (manifest.ClassCount + 1)];

    /// <summary>Frames taken.</summary>
    protected int Frames { get; private set; }

    /// <summary>Rows of <see cref="Probabilities"/>: slots, or the tracklets of the video.</summary>
    public virtual int Rows => manifest.Queries;

    public static ModeRun Create(EvaluationMode mode, ModelGraphs models, TensorPool tensors) => mode.Kind switch
    {
        _ when models.Manifest.Method == MethodContract.RefineVis => new RefineVisRun(models, tensors, mode.Clip),
        ModeKind.SemiOnline => new ClipRun(models, tensors, mode.Clip!),
        ModeKind.Offline => models.Find(MethodContract.RefinerHeads) is null
            ? new ClipRun(models, tensors, clip: null)
            : new OfflineRun(models, tensors),
        ModeKind.GenVis => new GenVisRun(models, tensors, mode.Clip!.Window),
        _ => new OnlineRun(models.Manifest),
    };

    /// <summary>The next frame; both stay the caller's.</summary>
    /// <param name="step">
    /// Answer of the mode's <see cref="EvaluationMode.SlotGraph"/>; null where it has none.
    /// </param>
    public void Add(SegmentedFrame frame, QueryFrame? step) => Take(Frames++, frame, step);

    /// <summary>After the last frame.</summary>
    /// <exception cref="OperationCanceledException">It was stopped on the way.</exception>
    public virtual void Complete(CancellationToken stop)
    {
    }

    /// <summary>Shape [rows,Cm]; after <see cref="Complete"/>.</summary>
    public virtual void ReadMaskEmbeds(int frame, Span<float> maskEmbeds) => _maskEmbeds.Read(frame, maskEmbeds);

    /// <summary>Class probabilities of the video, shape [rows,K+1]; after <see cref="Complete"/>.</summary>
    public virtual float[] Probabilities()
    {
        var (width, probabilities) = (manifest.ClassCount + 1, new float[_tracker.Length]);
        TensorPrimitives.Divide(_tracker, Frames, _tracker);
        var refined = Refined();
        ClassProbabilities.Write(refined.IsEmpty ? _tracker : refined, refined.IsEmpty
            ? []
            : _tracker, width, probabilities);
        return probabilities;
    }

    public virtual void Dispose() => _maskEmbeds.Dispose();

    protected abstract void Take(int index, SegmentedFrame frame, QueryFrame? step);

    /// <summary>The refiner's class logits, averaged over the frames; empty when there is no refiner.</summary>
    protected virtual ReadOnlySpan<float> Refined() => [];

    protected void WriteMaskEmbeds(int frame, ReadOnlySpan<float> maskEmbeds) => _maskEmbeds.Write(frame, maskEmbeds);

    /// <summary>Adds a frame's logits, shape [Q,K+1], to the average that decides what is there.</summary>
    protected void AddLogits(ReadOnlySpan<float> logits) => TensorPrimitives.Add(_tracker, logits, _tracker);
}

/// <summary>Each frame is the tracker's, or the matcher's; the class logits are averaged over the whole video,
/// as DVIS evaluates its online mode and MinVIS itself.</summary>
internal sealed class OnlineRun(ModelManifest manifest) : ModeRun(manifest)
{
    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        AddLogits(step!.Logits.Span);
        WriteMaskEmbeds(index, step.MaskEmbeds.Span);
    }
}
