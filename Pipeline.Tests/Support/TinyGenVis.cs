using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// A GenVIS model of a few hundred bytes (Q = 2, F = 3, C = 4, Cm = 3, K = 2) on the segmenter of
/// <see cref="TinyDvis"/>: a slot's instance is its query plus the mean of the clip.
/// </summary>
internal static class TinyGenVis
{
    public const int Queries = 2;

    public static Onnx Clip()
    {
        var graph = new Onnx()
            .Input("frame_embeds", -1, -1, TinyDvis.Queries, TinyDvis.Hidden)
            .Input("query", -1, Queries, TinyDvis.Hidden);
        foreach (var name in (string[])["instance_embeds", "reference_out"])
            graph.Output(name, -1, Queries, TinyDvis.Hidden);
        graph.Output("logits", -1, Queries, TinyDvis.Classes + 1)
            .Output("mask_embeds", -1, Queries, TinyDvis.MaskChannels);
        foreach (var name in (string[])["memory_key", "memory_value", "read_key", "next_query"])
            graph.Output(name, -1, Queries, TinyDvis.Hidden);
        graph.Constant("classify", [TinyDvis.Hidden, TinyDvis.Classes + 1], TinyModels.Ramp(TinyDvis.Classes + 1))
            .Constant("mask", [TinyDvis.Hidden, TinyDvis.MaskChannels], TinyModels.Ramp(TinyDvis.MaskChannels))
            .Constant("scale", [1], 0.01f)
            .Node("ReduceMean", ["frame_embeds"], "of_frames", ("axes", [2]), ("keepdims", [0]))
            .Node("ReduceMean", ["of_frames"], "of_clip", ("axes", [1]), ("keepdims", [1]))
            .Node("Add", ["query", "of_clip"], "instance_embeds")
            .Node("Identity", ["instance_embeds"], "reference_out")
            .Node("MatMul", ["instance_embeds", "classify"], "logits")
            .Node("MatMul", ["instance_embeds", "mask"], "mask_embeds");
        foreach (var name in (string[])["memory_key", "memory_value", "read_key", "next_query"])
            graph.Node("Mul", ["instance_embeds", "scale"], name);
        return graph;
    }

    /// <summary>Writes the model into a folder; <paramref name="edit"/> may change the manifest before it is written.
    /// </summary>
    public static string Write(string folder, Action<JsonObject>? edit = null, int clip = 3)
    {
        Directory.CreateDirectory(folder);
        var manifest = TinyDvis.Manifest();
        manifest.Remove("refiner");
        (manifest["method"], manifest["queries"], manifest["frame_queries"]) = ("genvis", Queries, TinyDvis.Queries);
        (manifest["clip"], manifest["first_query"]) = (clip, "first_query.bin");
        (manifest["scoring"], manifest["memory"]) = ("max_softmax_mask_quality", new JsonObject { ["clips"] = 8 });
        float[] first = [.. Enumerable.Range(0, Queries * TinyDvis.Hidden).Select(i => 0.1f * i)];
        File.WriteAllBytes(Path.Combine(folder, "first_query.bin"), MemoryMarshal.AsBytes(first.AsSpan()));
        return TinyModels.Save(folder, manifest, edit, ("segmenter", TinyDvis.Segmenter()), ("clip", Clip()));
    }
}
