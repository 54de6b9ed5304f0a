using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Decoding;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Evaluation;

/// <summary>What to evaluate.</summary>
/// <param name="Truth">Data set.</param>
/// <param name="Images">Folder of its pictures.</param>
/// <param name="TopK">Instances a video.</param>
/// <param name="Out">Folder for result files, or null.</param>
/// <param name="Videos">So many at most, the first.</param>
/// <param name="FirstLabel">What semantic maps call the first class.</param>
/// <param name="ObjectScore">Of panoptic results; null: the manifest's, as for <paramref name="Overlap"/>.</param>
/// <param name="ClassAgnostic">True: instances are scored as of one class.</param>
/// <param name="Half">True: mask features are stored as float16.</param>
internal sealed record EvaluationRequest(
    string Model, string Precision, RuntimeOptions Runtime, string Truth, string Images,
    IReadOnlyList<EvaluationMode> Modes,
    int TopK, string? Out, int Videos, int FirstLabel, string Ffmpeg,
    double? ObjectScore = null, double? Overlap = null, bool ClassAgnostic = false, bool Half = false);

/// <summary>What became of it; the scorers in the order of the modes, and their owner's.</summary>
/// <param name="Videos">Those that are through.</param>
internal sealed record EvaluationOutcome(ModelManifest Manifest, IReadOnlyList<ModeScorer> Scorers, bool Scored,
    int Videos, int AllVideos, long Frames, double MillisecondsPerFrame, bool Stopped);

/// <summary>Runs a model over a data set, in all modes at once, and scores and writes what it says.</summary>
internal static class ModelEvaluation
{
    /// <param name="finish">Takes the outcome while its scorers live; also when the run was stopped.</param>
    /// <exception cref="EvaluationException">Data set, pictures and model do not fit together.</exception>
    /// <exception cref="ModelException">The model cannot run.</exception>
    public static async Task RunAsync(EvaluationRequest request, TextWriter progress, bool terminal, TimeProvider time,
        Func<EvaluationOutcome, Task> finish, CancellationToken cancel)
    {
        using var interruption = new Interruption(cancel);
        var stop = interruption.Token;
        var folder = ModelFolder.Open(request.Model);
        request = request with { Modes = [.. request.Modes.Select(m => m.For(folder.Manifest)).Distinct()] };
        using var data = EvaluationData.Open(
            folder.Manifest, request.Truth, request.Images, request.FirstLabel, request.ClassAgnostic);
        if (!data.CanScore && request.Out is null)
        {
            const string advice = "--out writes the files for the evaluation server";
            var problem = $"{request.Truth} has no annotations to score against: {advice}";
            throw new EvaluationException(problem) { IsUsage = true };
        }

        var videos = data.Videos.Take(request.Videos).ToArray();
        var choice = ExecutionProviders.Choose(request.Runtime);
        if (choice.Skipped is { } skipped)
            await progress.WriteLineAsync($"dvis: inference runs on {choice.Name}: {skipped}");
        var scorers = new List<ModeScorer>();
        try
        {
            foreach (var mode in request.Modes) scorers.Add(data.CreateScorer(FolderOf(request, mode), data.CanScore));
            using var models = ModelGraphs.Load(folder, request.Precision, request.Runtime,
                Graphs(request.Modes, folder.Manifest), Window(request.Modes), NullLogger.Instance,
                frugal: request.Modes.Any(m => m.Kind == ModeKind.Offline));
            var told = new EvaluationProgress(progress, terminal, videos.Length,
                videos.Sum(v => (long)v.Pictures.Count), time);
            var stopped = false;
            try
            {
                await EvaluateAsync(request, models, videos, scorers, told, time, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                stopped = true;
            }
            finally
            {
                told.End();
            }

            await finish(new EvaluationOutcome(folder.Manifest, scorers, data.CanScore, told.Videos, videos.Length,
                told.Frames, told.MillisecondsPerFrame, stopped));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EvaluationException($"a file cannot be written: {e.Message}", e);
        }
        finally
        {
            foreach (var scorer in scorers) scorer.Dispose();
        }
    }

    private static async Task EvaluateAsync(
        EvaluationRequest request, ModelGraphs models, VideoPictures[] videos, List<ModeScorer> scorers,
        EvaluationProgress told, TimeProvider time, CancellationToken stop)
    {
        using var frames = new FramePool();
        using var tensors = new TensorPool(keepBytes: 64 << 20); // a long video must not leave its embeddings here
        using var metrics = new PipelineMetrics();
        await using var segmenter =
            new SegmenterBatcher(models.Segmenter, models.Manifest, request.Runtime.Batch, tensors, metrics, time);
        var panoptic = models.Manifest.Panoptic;
        var rule = new PanopticRule(request.ObjectScore ?? panoptic.ObjectScore, request.Overlap ?? panoptic.Overlap);
        var evaluator = new VideoEvaluator(
            models, segmenter, tensors, request.Modes, request.TopK, rule, request.Half);
        foreach (var (index, video) in videos.Index())
        {
            var source = new ImageListSource(video.Name, video.Pictures, request.Ffmpeg, frames, time);
            try
            {
                var results = await evaluator.RunAsync(video.Name, source.ReadAsync(stop), told.AddFrame, stop);
                for (var i = 0; i < scorers.Count; i++) scorers[i].Add(index, results[i]);
            }
            catch (SourceException e)
            {
                throw new EvaluationException(e.Message, e);
            }

            told.AddVideo();
        }
    }

    private static string[] Graphs(IReadOnlyList<EvaluationMode> modes, ModelManifest manifest)
    {
        if (manifest.Method == MethodContract.RefineVis) return [.. manifest.Method.GraphsOf(GraphUse.Online)];
        var clips = modes.Any(m => m.Kind is ModeKind.SemiOnline or ModeKind.Vita);
        var whole = modes.Any(m => m.Kind == ModeKind.Offline);
        var steps = whole && manifest.HasRefinerSteps;
        return
        [
            MethodContract.Segmenter,
            .. modes.Select(m => m.SlotGraph(manifest.Method)).OfType<string>().Distinct(),
            .. modes.Any(m => m.Kind == ModeKind.GenVis) ? [MethodContract.Clip] : Array.Empty<string>(),
            .. manifest.Method.GraphsOf(GraphUse.Revision).Where(
                g => clips || (whole && !(steps && g == MethodContract.Refiner))),
            .. steps ? manifest.Method.GraphsOf(GraphUse.WholeVideo) : [],
        ];
    }

    // The whole video's length is not known yet: two frames show at least that the graph runs.
    private static int Window(IReadOnlyList<EvaluationMode> modes) =>
        modes.Select(m => m.Clip?.Window ?? 2).DefaultIfEmpty(2).Max();

    /// <summary>The only mode writes into the folder itself, several into a folder each.</summary>
    private static string? FolderOf(EvaluationRequest request, EvaluationMode mode)
    {
        if (request.Out is null) return null;
        var folder = request.Modes.Count == 1
            ? request.Out
            : Path.Combine(request.Out, mode.ToString().Replace(':', '_').Replace(',', '_'));
        return Directory.CreateDirectory(folder).FullName;
    }
}
