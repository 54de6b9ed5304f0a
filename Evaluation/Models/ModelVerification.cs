using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Models;

/// <summary>Check of one graph of a model.</summary>
/// <param name="Precision">Precision in which it runs; fp32 where the model has no file of the wanted one.</param>
/// <param name="Problem">Fault of its file, contract or run, or null.</param>
/// <param name="Deviations">From the reference answers; null without any.</param>
public sealed record GraphCheck(string Graph, string Precision, string File, string? Problem,
    IReadOnlyList<Deviation>? Deviations)
{
    public bool Passes => Problem is null && (Deviations is null || Deviations.All(d => d.Passes));
}

/// <summary>Checks of a model folder: those of the service's start, and the answers it was exported with.</summary>
public static class ModelVerification
{
    // As small a batch, and as short a window, as any configuration's.
    private const int Batch = 1;

    /// <summary>Checks of the graphs that the model has, each made when it is taken.</summary>
    /// <param name="tolerance">Allowed deviation, as a share of a tensor's scale; null: the default.</param>
    /// <exception cref="ModelException">The reference answers are damaged, or no execution provider works.</exception>
    public static IEnumerable<GraphCheck> Run(ModelFolder folder, string precision, double? tolerance,
        RuntimeOptions runtime)
    {
        var provider = ExecutionProviders.Choose(runtime).Name;
        var answers = ReferenceAnswers.Open(folder.Path);
        foreach (var graph in folder.Manifest.Files.Keys)
            if (folder.Manifest.FileOf(graph, precision) is { } file)
                yield return Check(folder, graph, folder.Manifest.PrecisionOf(graph, precision), file, answers,
                    tolerance, provider, runtime);
    }

    private static GraphCheck Check(ModelFolder folder, string graph, string precision, ModelFile file,
        ReferenceAnswers? answers, double? tolerance, string provider, RuntimeOptions runtime)
    {
        try
        {
            using var model = ModelGraphs.LoadGraph(folder, graph, precision, Batch, provider, runtime);
            return new GraphCheck(graph, precision, file.Path, null,
                answers?.Has(graph) == true
                ? answers.Compare(graph, model, tolerance ?? ReferenceAnswers.DefaultTolerance(precision))
                : null);
        }
        catch (ModelException e)
        {
            return new GraphCheck(graph, precision, file.Path, e.Message, null);
        }
    }
}
