using System.Text.Json.Nodes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// A RefineVIS model of a few hundred bytes (Q = 6, F = 3, C = 4, Cm = 3, K = 2) on the segmenter of
/// <see cref="TinyDvis"/>: a refined embedding is the query plus the mean of the window.
/// </summary>
internal static class TinyRefineVis
{
    public const int Slots = 6;

    public static Onnx Associate() => Heads(
        new Onnx().Input("frame_embeds", -1, TinyDvis.Queries, TinyDvis.Hidden)
            .Output("contrastive_embeds", -1, TinyDvis.Queries, TinyDvis.Hidden)
            .Output("logits", -1, TinyDvis.Queries, TinyDvis.Classes + 1)
            .Output("mask_embeds", -1, TinyDvis.Queries, TinyDvis.MaskChannels)
            .Node("Identity", ["frame_embeds"], "contrastive_embeds"), "contrastive_embeds");

    public static Onnx Refine() => Heads(
        new Onnx().Input("query", -1, -1, TinyDvis.Hidden).Input("query_frames", -1)
            .Input("window", -1, -1, TinyDvis.Hidden).Input("window_frames", -1)
            .Output("refined", -1, -1, TinyDvis.Hidden).Output("logits", -1, -1, TinyDvis.Classes + 1)
            .Output("mask_embeds", -1, -1, TinyDvis.MaskChannels)
            .Node("ReduceMean", ["window"], "of_window", ("axes", [0]), ("keepdims", [1]))
            .Node("Add", ["query", "of_window"], "refined"), "refined");

    /// <summary>Writes the model into a folder; <paramref name="edit"/> may change the manifest before it is written.
    /// </summary>
    public static string Write(string folder, Action<JsonObject>? edit = null, Onnx? refine = null)
    {
        var manifest = TinyDvis.Manifest();
        (manifest["method"], manifest["queries"], manifest["frame_queries"]) = ("refinevis", Slots, TinyDvis.Queries);
        (manifest["window"], manifest["frame_period"], manifest["association"]) = (10, 1024, new JsonObject());
        manifest["scoring"] = "mean_over_detections";
        return TinyModels.Save(
            folder, manifest, edit, ("segmenter", TinyDvis.Segmenter()), ("associate", Associate()),
            ("refine", refine ?? Refine()));
    }

    private static Onnx Heads(Onnx graph, string embeds) => graph
        .Constant("classify", [TinyDvis.Hidden, TinyDvis.Classes + 1], TinyModels.Ramp(TinyDvis.Classes + 1))
        .Constant("mask", [TinyDvis.Hidden, TinyDvis.MaskChannels], TinyModels.Ramp(TinyDvis.MaskChannels))
        .Node("MatMul", [embeds, "classify"], "logits").Node("MatMul", [embeds, "mask"], "mask_embeds");
}
