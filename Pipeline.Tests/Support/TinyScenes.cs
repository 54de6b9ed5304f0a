using System.Text.Json.Nodes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// A panoptic or semantic model of a few hundred bytes (Q = 3, C = 4, Cm = 3, K = 4): query 0 is a person where the
/// picture is red, query 1 is sky where it is not, query 2 is road where it is green, and not sure of it. The refiner
/// thinks that the person is a car.
/// </summary>
internal static class TinyScenes
{
    public const int Person = 0, Car = 1, Sky = 2, Road = 3;

    public static Onnx Segmenter() => new Onnx().Input("image", -1, 3, -1, -1)
        .Output("frame_embeds", -1, 3, 4).Output("mask_features", -1, 3, -1, -1).Output("frame_logits", -1, 3, 5)
        .Integers("to_queries", 0, 3, 1).Constant("nothing", [1, 4], new float[4])
        .Constant("who", [1, 3, 4], 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0).Constant("classify", [4, 5], Logits(Person))
        .Node("GlobalAveragePool", ["image"], "means").Node("Reshape", ["means", "to_queries"], "planes")
        .Node("MatMul", ["planes", "nothing"], "zeros").Node("Add", ["zeros", "who"], "frame_embeds")
        .Node("MatMul", ["frame_embeds", "classify"], "frame_logits")
        .Node("AveragePool", ["image"], "mask_features", ("kernel_shape", [4, 4]), ("strides", [4, 4]));

    public static Onnx Tracker() => new Onnx()
        .Input("frame_embeds", -1, 3, 4).Input("matched_embeds", -1, 3, 4).Input("reference", -1, 3, 4)
        .Input("is_first", -1)
        .Output("instance_embeds", -1, 3, 4).Output("reference_out", -1, 3, 4).Output("logits", -1, 3, 5)
        .Output("mask_embeds", -1, 3, 3)
        .Constant("classify", [4, 5], Logits(Person)).Constant("mask", [4, 3], Masks)
        .Node("Identity", ["matched_embeds"], "instance_embeds").Node("Identity", ["matched_embeds"], "reference_out")
        .Node("MatMul", ["matched_embeds", "classify"], "logits")
        .Node("MatMul", ["matched_embeds", "mask"], "mask_embeds");

    public static Onnx FrameForward() => new Onnx().Input("frame_embeds", -1, 3, 4).Output("memory", -1, 3, 4)
        .Node("Identity", ["frame_embeds"], "memory");

    public static Onnx Refiner() => new Onnx().Input("instance_embeds", -1, 3, 4).Input("memory", -1, 3, 4)
        .Output("logits", 3, 5).Output("mask_embeds", -1, 3, 3)
        .Constant("classify", [4, 5], Logits(Car)).Constant("mask", [4, 3], Masks)
        .Node("ReduceMean", ["instance_embeds"], "mean", ("axes", [0]), ("keepdims", [0]))
        .Node("MatMul", ["mean", "classify"], "logits").Node("MatMul", ["instance_embeds", "mask"], "mask_embeds");

    public static JsonObject Manifest(string task)
    {
        var manifest = TinyDvis.Manifest();
        manifest["name"] = "scenes";
        manifest["task"] = task;
        manifest["classes"] = JsonNode.Parse("""
            [{"id": 0, "name": "person", "kind": "thing", "color": "#ff0000"},
             {"id": 1, "name": "car", "kind": "thing", "color": "#ffff00"},
             {"id": 2, "name": "sky", "kind": "stuff", "color": "#0000ff"},
             {"id": 3, "name": "road", "kind": "stuff", "color": "#808080"}]
            """);
        manifest["input"]!["mean"] = new JsonArray(127.5, 127.5, 127.5);
        manifest["input"]!["std"] = new JsonArray(127.5, 127.5, 127.5);
        return manifest;
    }

    public static string Write(string folder, string task)
        => TinyDvis.Write(folder, Manifest(task), Segmenter(), Tracker(), FrameForward(), Refiner());

    // Rows are queries, columns the classes and "no object". The refiner is surer, so that its word counts.
    private static float[] Logits(int thing)
    {
        var logits = new float[20];
        logits[thing] = thing == Car ? 9 : 5;
        logits[5 + Sky] = 6;
        logits[10 + Road] = 1;
        return logits;
    }

    // Rows are queries, columns the planes of the picture, -1 … 1.
    private static readonly float[] Masks = [8, 0, 0, -8, 0, 0, 0, 4, 0, 0, 0, 0];
}
