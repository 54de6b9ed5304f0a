using System.Text.Json.Nodes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// A VITA model of a few hundred bytes (V = 4, F = Q = 3, C = 4, Cm = 3, K = 2) on the segmenter and the slots of
/// <see cref="TinyDvis"/>: video query 3 - i is the mean of the segmenter's query i, and query 0 is nothing.
/// </summary>
internal static class TinyVita
{
    public const int VideoQueries = 4;

    public static Onnx Vita() => new Onnx()
        .Input("frame_embeds", -1, TinyDvis.Queries, TinyDvis.Hidden)
        .Output("logits", VideoQueries, TinyDvis.Classes + 1)
        .Output("mask_embeds", VideoQueries, TinyDvis.MaskChannels)
        .Output("frame_similarity", -1, TinyDvis.Queries, TinyDvis.Hidden)
        .Output("query_similarity", VideoQueries, TinyDvis.Hidden)
        .Constant("turn", [VideoQueries, TinyDvis.Queries], 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 0)
        .Constant("classify", [TinyDvis.Hidden, TinyDvis.Classes + 1], TinyModels.Ramp(TinyDvis.Classes + 1))
        .Constant("mask", [TinyDvis.Hidden, TinyDvis.MaskChannels], TinyModels.Ramp(TinyDvis.MaskChannels))
        .Node("ReduceMean", ["frame_embeds"], "mean", ("axes", [0]), ("keepdims", [0]))
        .Node("MatMul", ["turn", "mean"], "query_similarity")
        .Node("Identity", ["frame_embeds"], "frame_similarity")
        .Node("MatMul", ["query_similarity", "classify"], "logits")
        .Node("MatMul", ["query_similarity", "mask"], "mask_embeds");

    /// <summary>Writes the model into a folder; <paramref name="edit"/> may change the manifest before it is written.
    /// </summary>
    /// <param name="front"><c>minvis</c> or <c>dvis</c>.</param>
    public static string Write(string folder, Action<JsonObject>? edit = null, string front = "minvis")
    {
        var manifest = TinyDvis.Manifest();
        (manifest["method"], manifest["front"], manifest["scoring"]) = ("vita", front, "mask_quality");
        (manifest["queries"], manifest["frame_queries"]) = (VideoQueries, TinyDvis.Queries);
        var slots = front == "dvis" ? "tracker" : "matcher";
        return TinyModels.Save(
            folder, manifest, edit, ("segmenter", TinyDvis.Segmenter()), (slots, TinyDvis.Tracker()), ("vita", Vita()));
    }
}
