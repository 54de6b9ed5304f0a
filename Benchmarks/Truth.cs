using System.Text.Json;

namespace Dvis.Streaming.Benchmarks;

/// <summary>Ground truth of a rendered video (YouTube-VIS style, uncompressed run lengths), as <c>python3 -m dvis render</c> writes it.</summary>
internal sealed class Truth
{
    private readonly List<(string Class, bool[]?[] Masks)> _objects = [];

    public Truth(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(path));
        Frames = json.RootElement.GetProperty("videos")[0].GetProperty("length").GetInt32();
        var names = json.RootElement.GetProperty("categories").EnumerateArray().ToDictionary(c => c.GetProperty("id").GetInt32(), c => c.GetProperty("name").GetString()!);
        foreach (var annotation in json.RootElement.GetProperty("annotations").EnumerateArray())
            _objects.Add((names[annotation.GetProperty("category_id").GetInt32()],
                [.. annotation.GetProperty("segmentations").EnumerateArray().Select(s => s.ValueKind == JsonValueKind.Null ? null : Decode([.. s.GetProperty("counts").EnumerateArray().Select(c => c.GetInt32())]))]));
    }

    public int Frames { get; }

    public int Objects => _objects.Count;

    public string Class(int o) => _objects[o].Class;

    /// <summary>Column-major cells; null when not visible.</summary>
    public bool[]? Mask(int o, int frame) => _objects[o].Masks[frame];

    public static bool[] Decode(int[] counts)
    {
        var cells = new bool[counts.Sum()];
        var at = 0;
        for (var i = 0; i < counts.Length; at += counts[i++])
            if (i % 2 == 1) cells.AsSpan(at, counts[i]).Fill(true);
        return cells;
    }

    public static double IoU(bool[] a, bool[] b)
    {
        int both = 0, any = 0;
        for (var i = 0; i < a.Length; i++)
        {
            if (a[i] && b[i]) both++;
            if (a[i] || b[i]) any++;
        }

        return any == 0 ? 0 : (double)both / any;
    }
}
