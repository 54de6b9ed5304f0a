using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Segmentation;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// Runs a model over whole videos, in several modes at once: segmenter and tracker run once a frame and all modes read
/// what they said. A video's mask features go to disk, because only its end tells which masks are wanted; then they
/// come back frame by frame, and each frame's masks become run lengths at once. So memory does not grow with the video
/// but by embeddings and run lengths. Not thread-safe.
/// </summary>
/// <param name="topK">Instances a video (MAX_NUM: 20 for OVIS, 10 for YouTube-VIS).</param>
/// <param name="rule">Of panoptic results; null: the manifest's.</param>
/// <param name="half">True: mask features are stored as float16, in half the space; single pixels change.</param>
public sealed class VideoEvaluator(
    ModelGraphs models, SegmenterBatcher segmenter, TensorPool tensors, IReadOnlyList<EvaluationMode> modes, int topK,
    PanopticRule? rule = null, bool half = false)
{
    private readonly ModelManifest _manifest = models.Manifest;

    /// <summary>One result a mode, in their order. Takes ownership of the frames.</summary>
    /// <param name="name">Of the video, for messages.</param>
    /// <param name="frames">All of one size.</param>
    /// <param name="progress">Called after each frame that was segmented.</param>
    /// <exception cref="EvaluationException">There is no frame, or their sizes differ.</exception>
    /// <exception cref="ModelException">A graph failed.</exception>
    public async Task<IReadOnlyList<VideoResult>> RunAsync(string name, IAsyncEnumerable<Frame> frames, Action progress,
        CancellationToken stop)
    {
        var (runs, trackers) = (new List<ModeRun>(), new Dictionary<string, QueryTracker>());
        TensorSpill? features = null;
        try
        {
            foreach (var mode in modes) runs.Add(ModeRun.Create(mode, models, tensors));
            using var segmenting = segmenter.Open();
            foreach (var graph in modes.Select(m => m.SlotGraph(_manifest.Method)).OfType<string>().Distinct())
                trackers[graph] = Tracker(graph);
            InputGeometry? size = null;
            var count = 0;
            await foreach (var frame in frames.WithCancellation(stop))
            {
                using var segmented = await SegmentAsync(segmenting, frame);
                stop.ThrowIfCancellationRequested();
                size ??= segmented.Geometry;
                if (segmented.Geometry != size)
                    throw new EvaluationException(
                        $"{name}: frame {count + 1} has {segmented.Info.Width}x{segmented.Info.Height} pixels, the "
                        + $"frames before have {size.Value.SourceWidth}x{size.Value.SourceHeight}.");
                foreach (var (graph, tracker) in trackers)
                {
                    using var answer = tracker.Step(segmented.FrameEmbeds);
                    for (var i = 0; i < runs.Count; i++)
                        if (modes[i].SlotGraph(_manifest.Method) == graph) runs[i].Add(segmented, answer);
                }

                for (var i = 0; i < runs.Count; i++)
                    if (modes[i].SlotGraph(_manifest.Method) is null) runs[i].Add(segmented, step: null);
                features ??= new TensorSpill(segmented.MaskFeatures.Length, half);
                features.Write(count++, segmented.MaskFeatures.Span);
                progress();
            }

            if (size is not { } geometry) throw new EvaluationException($"{name}: the video has no frame.");
            foreach (var run in runs)
            {
                stop.ThrowIfCancellationRequested();
                run.Complete(stop);
            }

            var probabilities = runs.ConvertAll(run => run.Probabilities());
            if (probabilities.Any(p => p.Any(float.IsNaN)))
                throw new ModelException(
                    $"{name}: what {_manifest.Name} says is no number (NaN); its files or their precision do not "
                    + $"serve.");
            return MakeMasks(runs, probabilities, features!, geometry, count, stop);
        }
        finally
        {
            features?.Dispose();
            foreach (var tracker in trackers.Values) tracker.Dispose();
            foreach (var run in runs) run.Dispose();
        }
    }

    private QueryTracker Tracker(string graph)
    {
        var rule = graph == MethodContract.Matcher ? MatchingRule.Aligned : _manifest.Matching;
        return new QueryTracker(models[graph], _manifest, rule, tensors);
    }

    private static async ValueTask<SegmentedFrame> SegmentAsync(CameraSegmenter segmenting, Frame frame)
    {
        using (frame) return await segmenting.SegmentAsync(frame);
    }

    private VideoResult[] MakeMasks(List<ModeRun> runs, List<float[]> probabilities, TensorSpill spilled,
        InputGeometry input, int count, CancellationToken stop)
    {
        var results = probabilities.ConvertAll(p => VideoPostProcessor.Create(_manifest, p, topK, rule, input));
        var wanted = results.ConvertAll(result => result.Wanted.ToArray());
        var cells = input.MaskWidth * input.MaskHeight;
        using var features = tensors.Rent(spilled.RowLength);
        using var logits = tensors.Rent(Math.Max(1, wanted.Max(w => w.Length)) * cells);
        var maskEmbeds = new float[runs.Max(run => run.Rows) * _manifest.MaskChannels];
        for (var t = 0; t < count; t++)
        {
            stop.ThrowIfCancellationRequested();
            spilled.Read(t, features.Span);
            for (var i = 0; i < runs.Count; i++)
            {
                runs[i].ReadMaskEmbeds(t, maskEmbeds);
                var masks = logits.Span[..(wanted[i].Length * cells)];
                MaskKernels.Logits(maskEmbeds, features.Span, _manifest.MaskChannels, wanted[i], masks);
                results[i].Add(masks);
            }
        }

        return [.. results.Select(result => result.Complete())];
    }
}
