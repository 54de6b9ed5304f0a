using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A tiny model folder of each method.</summary>
internal static class TinyModels
{
    public static TheoryData<string> Names => new("dvis", "minvis", "genvis", "genvis online", "refinevis", "vita");

    public static string Write(string method, string folder) => method switch
    {
        "dvis" => TinyDvis.Write(folder),
        "minvis" => TinyDvis.Write(folder, TinyDvis.MakeMinVis),
        "genvis" => TinyGenVis.Write(folder),
        "genvis online" => TinyGenVis.Write(folder, clip: 1),
        "refinevis" => TinyRefineVis.Write(folder),
        "vita" => TinyVita.Write(folder),
        _ => throw new ArgumentOutOfRangeException(nameof(method), method, null),
    };

    /// <summary>Writes graphs and manifest into a folder; <paramref name="edit"/> may change the manifest before.
    /// </summary>
    public static string Save(
        string folder, JsonObject manifest, Action<JsonObject>? edit, params (string Name, Onnx Graph)[] graphs)
    {
        Directory.CreateDirectory(folder);
        foreach (var (name, graph) in graphs)
        {
            var bytes = graph.Build();
            File.WriteAllBytes(Path.Combine(folder, name + ".onnx"), bytes);
            manifest["files"]![name] = new JsonObject
            {
                ["fp32"] = new JsonObject
                { ["path"] = name + ".onnx", ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(bytes)) }
            };
        }

        edit?.Invoke(manifest);
        File.WriteAllText(Path.Combine(folder, "manifest.json"), manifest.ToJsonString());
        return folder;
    }

    /// <summary>Weights from the hidden size to so many columns.</summary>
    public static float[] Ramp(int columns) =>
        [.. Enumerable.Range(0, TinyDvis.Hidden * columns).Select(i => 0.01f * (i % 5) - 0.015f)];
}
