using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Memory;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Graphs of one model, shared by all cameras. <see cref="MethodContract"/> has their tensors.</summary>
/// <param name="graphs">By name; owned.</param>
public sealed partial class ModelGraphs(ModelManifest manifest, IReadOnlyDictionary<string, IModel> graphs)
    : IDisposable
{
    public ModelManifest Manifest { get; } = manifest;

    /// <summary>Frames of a clip, for a method that goes from clip to clip: 1 in mode <c>online</c>.</summary>
    public int Clip { get; init; } = manifest.Clip;

    /// <summary>True when frames are revised: false in mode <c>online</c>.</summary>
    public bool Revises { get; init; } = manifest.Revises;

    /// <summary>Query of the first clip, shape [Q,C]; empty: the method has none.</summary>
    public ReadOnlyMemory<float> FirstQuery { get; init; }

    public IModel Segmenter => this[MethodContract.Segmenter];

    /// <param name="graph">Name in the manifest.</param>
    /// <exception cref="ModelException">The graph is not loaded.</exception>
    public IModel this[string graph]
        => Find(graph) ?? throw new ModelException($"{Manifest.Name}: the graph {graph} is not loaded.");

    /// <summary>Null when the graph is not loaded.</summary>
    public IModel? Find(string graph) => graphs.GetValueOrDefault(graph);

    /// <summary>Opens the folder, loads the graphs that the mode needs, and runs them on zeros.</summary>
    /// <exception cref="ModelException">Anything that would fail later, with the file.</exception>
    public static ModelGraphs Load(ModelOptions model, RuntimeOptions runtime, ILogger logger)
    {
        var folder = ModelFolder.Open(model.Path);
        var manifest = folder.Manifest;
        var online = manifest.Resolve(model.Mode) == ModelMode.Online;
        var (window, longest) = (model.Refiner.Window, manifest.RefinerMaxWindow);
        var problem = online || manifest.Clip > 1 ? null
            : longest is null ? $"the model has no refiner; set model.mode to online, not {EnumName.Of(model.Mode)}"
            : window <= longest ? null
            : $"model.refiner.window is {window}, the model's refiner takes at most {longest} frames";
        if (problem is not null) throw new ModelException($"{model.Path}: {problem}.");

        string[] graphs =
        [
            .. manifest.Method.GraphsOf(GraphUse.Online),
            .. online ? [] : manifest.Method.GraphsOf(GraphUse.Revision),
        ];
        return Load(
            folder, model.Precision, runtime, graphs, window, logger, clip: online ? 1 : manifest.Clip,
            revises: !online);
    }

    /// <summary>Loads these graphs only.</summary>
    /// <param name="graphs">Names of the manifest, <c>segmenter</c> among them.</param>
    /// <param name="window">Frames with which the graphs of clips are proved.</param>
    /// <param name="frugal">
    /// Graphs return the memory of a run to the system: for clips of any length, whose refiner needs the memory of all.
    /// </param>
    /// <param name="clip">Frames of a clip of GenVIS; null: the manifest's.</param>
    /// <param name="revises">False: frames are never revised.</param>
    /// <inheritdoc cref="Load(ModelOptions, RuntimeOptions, ILogger)"/>
    public static ModelGraphs Load(
        ModelFolder folder, string precision, RuntimeOptions runtime, IReadOnlyCollection<string> graphs, int window,
        ILogger logger, bool frugal = false, int? clip = null, bool revises = true)
    {
        var manifest = folder.Manifest;
        var isChosen = precision != ModelManifest.AutoPrecision;
        precision = manifest.Resolve(precision);
        if (!manifest.Precisions.Contains(precision))
        {
            var only = string.Join(", ", manifest.Precisions);
            throw new ModelException(
                $"{folder.Path}: the model has no {precision} file of any graph, only {only}; "
                + "correct model.precision.");
        }

        if (graphs.FirstOrDefault(g => !manifest.Files.ContainsKey(g)) is { } missing)
            throw new ModelException($"{folder.Path}: the model has no graph {missing}, which this mode needs.");
        var (provider, skipped) = ExecutionProviders.Choose(runtime);
        if (skipped is not null) LogSkipped(logger, provider, skipped);
        var models = new Dictionary<string, IModel>();
        var loaded = new ModelGraphs(manifest, models)
        {
            Clip = clip ?? manifest.Clip,
            Revises = revises && manifest.Revises,
            FirstQuery = folder.ReadFirstQuery(),
        };
        try
        {
            foreach (var contract in manifest.Method.Graphs.Where(g => graphs.Contains(g.Name)))
            {
                var (name, use) = (contract.Name, contract.Use);
                var batch = use is GraphUse.Revision or GraphUse.WholeVideo ? window
                    : contract.TakesBatches ? Math.Min(2, runtime.Batch.Max)
                    : 1;
                models[name] = LoadGraph(
                    folder, name, manifest.PrecisionOf(name, precision), batch, provider, runtime, arena: !frugal);
            }

            string[] others = [.. graphs.Where(g => manifest.PrecisionOf(g, precision) != precision)];
            if (isChosen && others.Length > 0) LogFallback(logger, manifest.Name, precision, string.Join(", ", others));
            LogLoaded(logger, manifest.Name, manifest.Version, precision, provider, OrtRuntime.Version);
            return loaded;
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    /// <summary>
    /// These graphs for several cameras: those behind the segmenter that take batches run calls of equal shapes that
    /// come at the same time together. Takes ownership.
    /// </summary>
    /// <param name="batch">Largest batch; 1: each call runs alone.</param>
    /// <param name="ran">Called with the graph's name and the size of each batch.</param>
    public ModelGraphs Share(int batch, TensorPool pool, Action<string, int> ran)
    {
        var shared = batch == 1 ? [] : Manifest.Method.Graphs.Where(
            g => g is { TakesBatches: true, Use: GraphUse.Online } && g.Name != MethodContract.Segmenter);
        var names = shared.Select(g => g.Name).ToHashSet();
        return new ModelGraphs(Manifest, graphs.ToDictionary(g => g.Key, g => names.Contains(g.Key)
            ? new BatchedModel(g.Value, batch, pool, size => ran(g.Key, size))
            : g.Value))
        {
            Clip = Clip,
            Revises = Revises,
            FirstQuery = FirstQuery,
        };
    }

    /// <summary>One graph, proved to fit the manifest; the caller disposes it.</summary>
    /// <exception cref="ModelException">The file is missing or another one, or the graph does not fit.</exception>
    internal static OnnxModel LoadGraph(
        ModelFolder folder, string name, string precision, int batch, string provider, RuntimeOptions runtime,
        bool arena = true)
    {
        var manifest = folder.Manifest;
        var graph = OnnxModel.Load(folder.File(name, precision), provider, runtime, arena);
        try
        {
            var contract = manifest.Method.Graphs.Single(g => g.Name == name);
            contract.Check(graph, manifest);
            var size = InputGeometry.For(1920, 1080, manifest.Input, manifest.MaskStride); // any: the sides are free
            contract.Prove(graph, manifest, batch, size.PaddedHeight, size.PaddedWidth);
            return graph;
        }
        catch
        {
            graph.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var graph in graphs.Values) graph.Dispose();
    }

    [LoggerMessage(
        2102, LogLevel.Information,
        "Model {Name} {Version} ({Precision}) runs on {Provider}, ONNX Runtime {RuntimeVersion}.")]
    private static partial void LogLoaded(
        ILogger logger, string name, string version, string precision, string provider, string runtimeVersion);

    [LoggerMessage(2104, LogLevel.Warning, "Inference runs on {Provider}: {Skipped}.")]
    private static partial void LogSkipped(ILogger logger, string provider, string skipped);

    [LoggerMessage(2103, LogLevel.Information, "Model {Name} has no {Precision} file of {Graphs}: fp32 there.")]
    private static partial void LogFallback(ILogger logger, string name, string precision, string graphs);
}
