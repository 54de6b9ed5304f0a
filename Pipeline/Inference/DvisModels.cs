using Dvis.Streaming.Pipeline.Common;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// The graphs of one DVIS model, loaded once and shared by all cameras. Inputs and outputs, in this order
/// (<c>B</c> frames, <c>T</c> frames of a window, <c>Q</c> queries, <c>C</c> hidden size, <c>Cm</c> mask channels, <c>K</c> classes):
/// </summary>
public sealed partial class DvisModels(ModelManifest manifest, IModel segmenter, IModel tracker, IModel? frameForward = null, IModel? refiner = null) : IDisposable
{
    public ModelManifest Manifest { get; } = manifest;

    /// <summary>image [B,3,H,W] → frame_embeds [B,Q,C], mask_features [B,Cm,H/s,W/s], frame_logits [B,Q,K+1].</summary>
    public IModel Segmenter { get; } = segmenter;

    /// <summary>
    /// frame_embeds [B,Q,C], matched_embeds [B,Q,C], reference [B,Q,C], is_first [B] →
    /// instance_embeds [B,Q,C] (after the norm), reference_out [B,Q,C] (before it), logits [B,Q,K+1], mask_embeds [B,Q,Cm].
    /// </summary>
    public IModel Tracker { get; } = tracker;

    /// <summary>frame_embeds [N,Q,C] → memory [N,Q,C]; null in mode <c>online</c>.</summary>
    public IModel? FrameForward { get; } = frameForward;

    /// <summary>instance_embeds [T,Q,C], memory [T,Q,C] → logits [Q,K+1], mask_embeds [T,Q,Cm]; null in mode <c>online</c>.</summary>
    public IModel? Refiner { get; } = refiner;

    /// <summary>The refiner for videos of any length; null: not loaded, or the model folder is from before there were such.</summary>
    public RefinerSteps? Steps { get; init; }

    /// <summary>As <see cref="Tracker"/>, but it says of the matched queries what the segmenter would (MinVIS); null: not loaded.</summary>
    public IModel? Matcher { get; init; }

    /// <summary>Opens the folder, loads the graphs the mode needs, and proves on zeros that they fit the manifest.</summary>
    /// <exception cref="ModelException">Anything that would fail later; one sentence with the file and what is wrong.</exception>
    public static DvisModels Load(ModelOptions model, RuntimeOptions runtime, ILogger logger)
    {
        var folder = ModelFolder.Open(model.Path);
        var online = model.Mode == ModelMode.Online;
        if (!online && folder.Manifest.RefinerMaxWindow is null)
            throw new ModelException($"{model.Path}: the model has no refiner; set model.mode to online, not {EnumName.Of(model.Mode)}.");
        if (!online && model.Refiner.Window > folder.Manifest.RefinerMaxWindow)
            throw new ModelException($"{model.Path}: model.refiner.window is {model.Refiner.Window}, the model's refiner takes at most {folder.Manifest.RefinerMaxWindow} frames.");
        return Load(folder, model.Precision, runtime, online ? ["segmenter", "tracker"] : ["segmenter", "tracker", "frame_forward", "refiner"], model.Refiner.Window, logger);
    }

    /// <summary>Loads these graphs only.</summary>
    /// <param name="graphs">Names of the manifest, <c>segmenter</c> among them.</param>
    /// <param name="window">Frames with which the refiner is proved.</param>
    /// <param name="frugal">Graphs take from the system what a run needs and give it back: for clips of any length, whose refiner needs the room of all.</param>
    /// <inheritdoc cref="Load(ModelOptions, RuntimeOptions, ILogger)"/>
    public static DvisModels Load(ModelFolder folder, string precision, RuntimeOptions runtime, IReadOnlyCollection<string> graphs, int window, ILogger logger, bool frugal = false)
    {
        var manifest = folder.Manifest;
        precision = manifest.Resolve(precision);
        if (!manifest.Precisions.Contains(precision))
            throw new ModelException($"{folder.Path}: the model has no {precision} file of any graph, only {string.Join(", ", manifest.Precisions)}; correct model.precision.");
        if (graphs.FirstOrDefault(g => !manifest.Files.ContainsKey(g)) is { } missing)
            throw new ModelException($"{folder.Path}: the model has no graph {missing}, which this mode needs.");
        var provider = ExecutionProviders.Choose(runtime, logger);
        var loaded = new List<OnnxModel>();
        try
        {
            var segmenter = LoadGraph("segmenter", Math.Min(2, runtime.Batch.Max))!;
            var tracker = LoadGraph("tracker", 1);
            var matcher = LoadGraph("matcher", 1);
            var frameForward = LoadGraph("frame_forward", window);
            var refiner = LoadGraph("refiner", window);
            var steps = graphs.Contains(RefinerSteps.Graphs[0])
                ? new RefinerSteps(LoadGraph(RefinerSteps.Graphs[0], window)!, LoadGraph(RefinerSteps.Graphs[1], window)!, LoadGraph(RefinerSteps.Graphs[2], window)!)
                : null;
            string[] others = [.. graphs.Where(g => manifest.PrecisionOf(g, precision) != precision)];
            if (others.Length > 0) LogFallback(logger, manifest.Name, precision, string.Join(", ", others));
            LogLoaded(logger, manifest.Name, manifest.Version, precision, provider, ExecutionProviders.RuntimeVersion);
            return new DvisModels(manifest, segmenter, tracker ?? matcher!, frameForward, refiner) { Matcher = matcher, Steps = steps };
        }
        catch
        {
            foreach (var graph in loaded) graph.Dispose();
            throw;
        }

        OnnxModel? LoadGraph(string name, int batch)
        {
            if (!graphs.Contains(name)) return null;
            var graph = DvisModels.LoadGraph(folder, name, manifest.PrecisionOf(name, precision), batch, provider, runtime, arena: !frugal);
            loaded.Add(graph);
            return graph;
        }
    }

    /// <summary>One graph, proved to fit the manifest; the caller disposes it.</summary>
    /// <exception cref="ModelException">The file is missing or another one, or the graph does not fit.</exception>
    internal static OnnxModel LoadGraph(ModelFolder folder, string name, string precision, int batch, string provider, RuntimeOptions runtime, bool arena = true)
    {
        var (manifest, graph) = (folder.Manifest, OnnxModel.Load(folder.File(name, precision), provider, runtime, arena));
        try
        {
            var contract = ModelContract.For(name, manifest);
            contract.Check(graph);
            var size = InputGeometry.For(1920, 1080, manifest.Input, manifest.MaskStride); // any: the sides are free
            contract.Prove(graph, batch, size.PaddedHeight, size.PaddedWidth, manifest.MaskStride);
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
        Segmenter.Dispose();
        Tracker.Dispose();
        FrameForward?.Dispose();
        Refiner?.Dispose();
        Matcher?.Dispose();
        Steps?.Dispose();
    }

    [LoggerMessage(2102, LogLevel.Information, "Model {Name} {Version} ({Precision}) runs on {Provider}, ONNX Runtime {RuntimeVersion}.")]
    private static partial void LogLoaded(ILogger logger, string name, string version, string precision, string provider, string runtimeVersion);

    [LoggerMessage(2103, LogLevel.Information, "Model {Name} has no {Precision} file of {Graphs}: fp32 there.")]
    private static partial void LogFallback(ILogger logger, string name, string precision, string graphs);
}
