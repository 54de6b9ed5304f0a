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
/// <param name="rows">Rows of an answer, where that is known before the video.</param>
internal abstract class ModeRun(ModelManifest manifest, int rows) : IDisposable
{
    private readonly TensorSpill _maskEmbeds = new(rows * manifest.MaskChannels, half: false);
    private readonly float[] _tracker = new float[rows * (manifest.ClassCount + 1)];

    /// <summary>Frames taken.</summary>
    protected int Frames { get; private set; }

    /// <summary>Rows of <see cref="Probabilities"/>: slots, or the tracklets of the video.</summary>
    public virtual int Rows => rows;

    public static ModeRun Create(EvaluationMode mode, ModelGraphs models, TensorPool tensors) => mode.Kind switch
    {
        _ when models.Manifest.Method == MethodContract.RefineVis => new RefineVisRun(models, tensors, mode.Clip),
        ModeKind.SemiOnline => new ClipRun(models, tensors, mode.Clip!),
        ModeKind.Offline => models.Find(MethodContract.RefinerHeads) is null
            ? new ClipRun(models, tensors, clip: null)
            : new OfflineRun(models, tensors),
        ModeKind.Vita => new VitaRun(models, tensors),
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

    /// <summary>Reads into the first rows; after <see cref="Complete"/>.</summary>
    /// <param name="maskEmbeds">Shape [rows,Cm] or longer.</param>
    public virtual void ReadMaskEmbeds(int frame, Span<float> maskEmbeds)
        => _maskEmbeds.Read(frame, maskEmbeds[.._maskEmbeds.RowLength]);

    /// <summary>Class probabilities of the video, shape [rows,K+1]; after <see cref="Complete"/>.</summary>
    public virtual float[] Probabilities()
    {
        var (width, probabilities) = (manifest.ClassCount + 1, new float[_tracker.Length]);
        TensorPrimitives.Divide(_tracker, Frames, _tracker);
        var refined = Refined();
        ClassProbabilities.Write(
            refined.IsEmpty ? _tracker : refined, refined.IsEmpty || StandsAlone ? [] : _tracker, width, probabilities);
        return probabilities;
    }

    public virtual void Dispose() => _maskEmbeds.Dispose();

    /// <inheritdoc cref="ClipRevision.StandsAlone"/>
    protected virtual bool StandsAlone => false;

    protected abstract void Take(int index, SegmentedFrame frame, QueryFrame? step);

    /// <summary>The refiner's class logits, averaged over the frames; empty when there is no refiner.</summary>
    protected virtual ReadOnlySpan<float> Refined() => [];

    protected void WriteMaskEmbeds(int frame, ReadOnlySpan<float> maskEmbeds) => _maskEmbeds.Write(frame, maskEmbeds);

    /// <summary>Adds a frame's logits, shape [Q,K+1], to the average that decides what is there.</summary>
    protected void AddLogits(ReadOnlySpan<float> logits) => TensorPrimitives.Add(_tracker, logits, _tracker);
}

/// <summary>Each frame is the tracker's, or the matcher's; the class logits are averaged over the whole video,
/// as DVIS evaluates its online mode and MinVIS itself.</summary>
internal sealed class OnlineRun(ModelManifest manifest) : ModeRun(manifest, manifest.Queries)
{
    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        AddLogits(step!.Logits.Span);
        WriteMaskEmbeds(index, step.MaskEmbeds.Span);
    }
}
