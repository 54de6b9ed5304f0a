using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Evaluation;

/// <summary>Which annotated sequences to evaluate, and with what.</summary>
/// <param name="Model">Folder.</param>
/// <param name="Mode">Online or semi-online.</param>
/// <param name="Names">Sequences of <paramref name="Data"/>, in order.</param>
internal sealed record SequenceRequest(
    string Model, string Precision, EvaluationMode Mode, RuntimeOptions Runtime,
    DavisFolder Data, IReadOnlyList<string> Names, RightClasses Classes, string Ffmpeg);

/// <summary>What became of it.</summary>
/// <param name="Model">Name and version.</param>
/// <param name="Failures">One sentence for each sequence that has no figures, and for a run that was stopped.</param>
internal sealed record SequenceOutcome(
    string Model, string Precision, IReadOnlyList<SequenceReport> Sequences, IReadOnlyList<string> Failures,
    double MillisecondsPerFrame)
{
    public MeanFigures Provisional => MeanFigures.Of([.. Sequences.Select(s => s.Provisional)]);

    public MeanFigures Final => MeanFigures.Of([.. Sequences.Select(s => s.Final)]);
}

/// <summary>Scores what the service publishes of annotated sequences; one may fail without the others.</summary>
internal static class SequenceEvaluation
{
    /// <exception cref="ModelException">The model cannot be loaded.</exception>
    /// <exception cref="EvaluationException">The model has no tracks to score.</exception>
    public static async Task<SequenceOutcome> RunAsync(
        SequenceRequest request, TextWriter progress, bool terminal, TimeProvider time, CancellationToken cancel)
    {
        using var interruption = new Interruption(cancel);
        var stop = interruption.Token;
        var options = OptionsOf(request);
        using var models = ModelGraphs.Load(options, request.Runtime, NullLogger.Instance);
        var manifest = models.Manifest;
        if (manifest.Task == ModelTask.Vss)
            throw new EvaluationException($"{request.Model}: a semantic model publishes no tracks to score.");

        var (reports, failures) = (new List<SequenceReport>(), new List<string>());
        var sequences = Read(request, failures);
        var frames = sequences.Sum(s => (long)s.Images.Count);
        var told = new EvaluationProgress(progress, terminal, sequences.Count, frames, time);
        await using var pipeline = new SequencePipeline(models, options.Refiner, request.Runtime, request.Ffmpeg, time);
        foreach (var sequence in sequences)
        {
            try
            {
                var published = await pipeline.RunAsync(sequence, told.AddFrame, stop);
                if (stop.IsCancellationRequested) break;
                reports.Add(Score(sequence, published, request.Classes.Of(sequence.Name), manifest));
                told.AddVideo();
            }
            catch (Exception e) when (e is EvaluationException or SourceException or ModelException)
            {
                var prefix = sequence.Name + ": ";
                failures.Add(e.Message.StartsWith(prefix, StringComparison.Ordinal) ? e.Message : prefix + e.Message);
            }
        }

        told.End();
        if (stop.IsCancellationRequested)
            failures.Add($"stopped after {reports.Count} of {request.Names.Count} sequences");
        return new SequenceOutcome($"{manifest.Name} {manifest.Version}", manifest.Resolve(request.Precision), reports,
            failures, told.MillisecondsPerFrame);
    }

    private static List<AnnotatedSequence> Read(SequenceRequest request, List<string> failures)
    {
        var sequences = new List<AnnotatedSequence>();
        foreach (var name in request.Names)
        {
            try
            {
                sequences.Add(request.Data.Read(name));
            }
            catch (EvaluationException e)
            {
                failures.Add(e.Message);
            }
        }

        return sequences;
    }

    private static SequenceReport Score(
        AnnotatedSequence sequence, PublishedTracks published, IReadOnlyList<CoarseClass>? right, ModelManifest model)
    {
        var frames = sequence.Masks.Count;
        Predicate<int>? isRight = right is null
            ? null
            : classId => CoarseClasses.Of(model.Classes[classId].Name) is { } group && right.Contains(group);
        return new SequenceReport(
            sequence.Name, frames,
            SequenceFigures.Of(sequence.Masks, published.Provisional(frames), isRight),
            SequenceFigures.Of(sequence.Masks, published.Final(frames), isRight));
    }

    private static ModelOptions OptionsOf(SequenceRequest request)
    {
        var options = new ModelOptions
        { Path = request.Model, Precision = request.Precision, Mode = ModelMode.SemiOnline };
        if (request.Mode.Clip is { } clip)
            options.Refiner = new() { Window = clip.Window, Stride = clip.Stride, Lookahead = clip.Lookahead };
        else
            options.Mode = ModelMode.Online;
        return options;
    }
}
