using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.RefineVis;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// RefineVIS over a video, online or over clips that are committed as the live pipeline commits them, with the results
/// of IDOL: the rows are the tracklets of the video, and a class score is the mean over a tracklet's detections. In
/// frames without a detection it has the mask that the refinement recovers.
/// </summary>
internal sealed class RefineVisRun(ModelGraphs models, TensorPool tensors, ClipLengths? clip)
    : ModeRun(models.Manifest, models.Manifest.Queries)
{
    private readonly ModelManifest _manifest = models.Manifest;
    private readonly int _width = models.Manifest.ClassCount + 1, _channels = models.Manifest.MaskChannels;
    private readonly RefineVisMethod _method = new(models, tensors, clip, keepsBest: true);
    private readonly ClipWindow<QueryFrame> _window = new(clip?.Window ?? 1);
    private readonly VideoTracklets _tracklets = new(models.Manifest.ClassCount + 1);
    private readonly float[] _probabilities = new float[models.Manifest.Queries * (models.Manifest.ClassCount + 1)];
    private readonly float[] _bySlot = new float[models.Manifest.Queries * models.Manifest.MaskChannels];

    public override int Rows => _tracklets.Entries.Count;

    public override void Complete(CancellationToken stop)
    {
        if (_window.Pending > 0) Commit(_window.Pending);
        _window.Clear();
    }

    public override float[] Probabilities()
    {
        var probabilities = new float[Rows * _width];
        foreach (var (row, entry) in _tracklets.Entries.Index())
            TensorPrimitives.Divide(entry.Sum, entry.Detections, probabilities.AsSpan(row * _width, _width));
        return probabilities;
    }

    public override void ReadMaskEmbeds(int frame, Span<float> maskEmbeds)
    {
        base.ReadMaskEmbeds(frame, _bySlot);
        foreach (var (row, entry) in _tracklets.Entries.Index())
        {
            var target = maskEmbeds.Slice(row * _channels, _channels);
            if (frame < entry.FirstFrame || frame > entry.LastFrame) target.Clear();
            else _bySlot.AsSpan(entry.Slot * _channels, _channels).CopyTo(target);
        }
    }

    public override void Dispose()
    {
        _window.Dispose();
        _method.Dispose();
        base.Dispose();
    }

    protected override void Take(int index, SegmentedFrame frame, QueryFrame? step)
    {
        var answer = (RefineVisFrame)_method.Observe(frame);
        if (clip is null)
        {
            using (answer) Record(index, answer, answer.Logits.Span, answer.MaskEmbeds.Span);
            return;
        }

        _window.Add(answer);
        if (_window.Pending == clip.Stride + clip.Lookahead) Commit(clip.Stride);
    }

    private void Commit(int count)
    {
        using var revision = _method.Revise(_window.Frames);
        var first = _window.Frames.Count - _window.Pending;
        var size = _manifest.Queries * _channels;
        for (var t = first; t < first + count; t++)
            Record(
                Frames - _window.Frames.Count + t, (RefineVisFrame)_window.Frames[t], revision.Logits.Span,
                revision.MaskEmbeds.Span.Slice(t * size, size));
        _window.Commit(count);
    }

    /// <param name="logits">Shape [Q,K+1].</param>
    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    private void Record(int index, RefineVisFrame frame, ReadOnlySpan<float> logits, Span<float> maskEmbeds)
    {
        ClassProbabilities.Write(logits, tracker: [], _width, _probabilities);
        for (var slot = 0; slot < _manifest.Queries; slot++)
        {
            if (frame.Tracklets![slot] == QueryFrame.NoTracklet) continue;
            var probabilities = _probabilities.AsSpan(slot * _width, _width);
            _tracklets.Add(index, frame.Tracklets[slot], slot, frame.Detected[slot], probabilities);
            if (clip is null && !ClipRefinement.IsShown(frame.Detected[slot], probabilities))
                maskEmbeds.Slice(slot * _channels, _channels).Clear();
        }

        _tracklets.EndFrame(index);
        WriteMaskEmbeds(index, maskEmbeds);
    }
}
