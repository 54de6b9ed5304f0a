using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// A whole model of a few hundred bytes that fits the contract (Q = 3, C = 4, Cm = 3, K = 2): query i of a frame
/// carries the mean of colour plane i, and the mask features are the picture's planes, averaged over cells of 4 x 4
/// pixels.
/// </summary>
internal static class TinyDvis
{
    public const int Queries = 3, Hidden = 4, MaskChannels = 3, Classes = 2;

    public static RuntimeOptions Runtime => new() { Threads = 1 };

    public static Onnx Segmenter() => new Onnx().Input("image", -1, 3, -1, -1)
        .Output("frame_embeds", -1, Queries, Hidden).Output("mask_features", -1, MaskChannels, -1, -1)
        .Output("frame_logits", -1, Queries, Classes + 1)
        .Integers("to_queries", 0, Queries, 1).Constant("spread", [1, Hidden], 1, 2, 3, 4)
        .Constant("classify", [1, Classes + 1], 1, -1, 0.5f)
        .Node("GlobalAveragePool", ["image"], "means").Node("Reshape", ["means", "to_queries"], "queries")
        .Node("MatMul", ["queries", "spread"], "frame_embeds").Node("MatMul", ["queries", "classify"], "frame_logits")
        .Node("AveragePool", ["image"], "mask_features", ("kernel_shape", [4, 4]), ("strides", [4, 4]));

    public static Onnx Tracker() => new Onnx()
        .Input("frame_embeds", -1, Queries, Hidden).Input("matched_embeds", -1, Queries, Hidden)
        .Input("reference", -1, Queries, Hidden).Input("is_first", -1)
        .Output("instance_embeds", -1, Queries, Hidden).Output("reference_out", -1, Queries, Hidden)
        .Output("logits", -1, Queries, Classes + 1).Output("mask_embeds", -1, Queries, MaskChannels)
        .Constant("classify", [Hidden, Classes + 1], Ramp(Hidden * (Classes + 1)))
        .Constant("mask", [Hidden, MaskChannels], Ramp(Hidden * MaskChannels))
        .Node("Add", ["frame_embeds", "matched_embeds"], "instance_embeds")
        .Node("Add", ["instance_embeds", "reference"], "reference_out")
        .Node("MatMul", ["instance_embeds", "classify"], "logits")
        .Node("MatMul", ["instance_embeds", "mask"], "mask_embeds");

    public static Onnx FrameForward() => new Onnx().Input("frame_embeds", -1, Queries, Hidden)
        .Output("memory", -1, Queries, Hidden).Node("Identity", ["frame_embeds"], "memory");

    public static Onnx Refiner() =>
        new Onnx().Input("instance_embeds", -1, Queries, Hidden).Input("memory", -1, Queries, Hidden)
        .Output("logits", Queries, Classes + 1).Output("mask_embeds", -1, Queries, MaskChannels)
        .Constant("classify", [Hidden, Classes + 1], Ramp(Hidden * (Classes + 1)))
        .Constant("mask", [Hidden, MaskChannels], Ramp(Hidden * MaskChannels))
        .Node("Add", ["instance_embeds", "memory"], "both")
        .Node("ReduceMean", ["both"], "mean", ("axes", [0]), ("keepdims", [0]))
        .Node("MatMul", ["mean", "classify"], "logits").Node("MatMul", ["both", "mask"], "mask_embeds");

    public static JsonObject Manifest() => JsonNode.Parse("""
        {
          "name": "tiny", "version": "1", "task": "vis",
          "classes": [
            {"id": 0, "name": "circle", "kind": "thing", "color": "#ff0000"},
            {"id": 1, "name": "square", "kind": "thing", "color": "#00ff00"}],
          "queries": 3, "hidden_size": 4, "mask_channels": 3, "mask_stride": 4, "matching": "aligned",
          "input": {"shorter_side": 32, "largest_side": 64, "divisor": 32, "mean": [0, 0, 0], "std": [1, 1, 1],
            "channel_order": "rgb"},
          "refiner": {"max_window": 20}, "files": {}, "license": "MIT", "weights_from": "written by hand",
          "quality": {"ap": 0}
        }
        """)!.AsObject();

    /// <summary>Writes the model into a folder;
    /// <paramref name="edit"/> may change the manifest before it is written.</summary>
    public static string Write(string folder, Action<JsonObject>? edit = null, Onnx? segmenter = null)
        => Write(folder, Manifest(), segmenter ?? Segmenter(), Tracker(), FrameForward(), Refiner(), edit);

    public static string Write(string folder, JsonObject manifest, Onnx segmenter, Onnx tracker, Onnx frameForward,
        Onnx refiner, Action<JsonObject>? edit = null)
        => TinyModels.Save(
            folder, manifest, edit, ("segmenter", segmenter), ("tracker", tracker), ("frame_forward", frameForward),
            ("refiner", refiner));

    /// <summary>The manifest of a model of segmenter and tracker alone.</summary>
    public static void LeaveRefinerAway(JsonObject manifest)
    {
        manifest.Remove("refiner");
        foreach (var graph in (string[])["frame_forward", "refiner"]) manifest["files"]!.AsObject().Remove(graph);
    }

    /// <summary>The manifest of a MinVIS model: the graph that was the tracker is the matcher.</summary>
    public static void MakeMinVis(JsonObject manifest)
    {
        LeaveRefinerAway(manifest);
        var files = manifest["files"]!.AsObject();
        files["matcher"] = files["tracker"]!.DeepClone();
        files.Remove("tracker");
        manifest["method"] = "minvis";
    }

    /// <summary>A graph from bytes, on the CPU.</summary>
    public static OnnxModel Load(Onnx graph, string name = "tiny.onnx") =>
        OnnxModel.Load(name, graph.Build(), "cpu", Runtime);

    private static float[] Ramp(int count) => [.. Enumerable.Range(0, count).Select(i => (i % 5) - 1.5f)];
}
