using System.Runtime.InteropServices;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Evaluation.Models;

/// <summary>Deviation of one output from its reference.</summary>
/// <param name="Largest">Largest absolute difference; NaN when the output has a NaN.</param>
/// <param name="Scale">Largest absolute value of the reference, at least 1.</param>
/// <param name="Allowed">Largest difference, as a share of the scale; null: any.</param>
public sealed record Deviation(string Tensor, double Largest, double Scale, double? Allowed)
{
    public bool Passes => double.IsFinite(Largest) && (Allowed is not { } share || Largest <= share * Scale);
}

/// <summary>
/// A model folder's <c>reference.json</c> and <c>reference.bin</c>: inputs of each graph and the answers of the network
/// it was exported from. An output may have its own <c>tolerance</c>, a share of its scale, where the network is not
/// continuous. A graph may have several cases, numbered by <c>case</c> (default 1), such as images of several sizes.
/// </summary>
public sealed class ReferenceAnswers
{
    private const string Index = "reference.json", Data = "reference.bin";
    private const int MaxBytes = 4 << 20; // of the index

    private readonly string _folder;
    private readonly List<Entry> _entries = [];

    private ReferenceAnswers(string folder) => _folder = folder;

    /// <summary>
    /// Default tolerance of another runtime, as a share of a tensor's scale: sums in another order, rounding of
    /// <c>fp16</c>.
    /// </summary>
    /// <returns>Null for <c>int8</c>: its loss has a measured quality, not a bound.</returns>
    public static double? DefaultTolerance(string precision) =>
        precision switch { "fp32" => 2e-3, "fp16" => 1e-2, _ => null };

    /// <summary>Null when the folder has none.</summary>
    /// <exception cref="ModelException">They exist and are wrong; names file and entry.</exception>
    public static ReferenceAnswers? Open(string folder)
    {
        var path = Path.Combine(folder, Index);
        if (!File.Exists(path)) return null;
        try
        {
            var answers = new ReferenceAnswers(folder);
            using var json = StrictJson.Parse(SmallFile.ReadBytes(path, MaxBytes));
            var length = new FileInfo(Path.Combine(folder, Data)).Length;
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement
                .TryGetProperty("tensors", out var tensors) || tensors.ValueKind != JsonValueKind.Array)
                throw new ModelException($"{path}: tensors: expected a list.");
            foreach (var (i, item) in tensors.EnumerateArray().Index())
                answers._entries.Add(Entry.Read(item, length)
                    ?? throw new ModelException(
                        $"{path}: tensors[{i}]: expected graph, role, name, shape and offset of a float32 tensor "
                        + $"within {Data} ({length} bytes)."));
            return answers;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new ModelException($"{path}: the reference answers cannot be read: {e.Message}", e);
        }
    }

    /// <summary>True when there are answers of this graph.</summary>
    public bool Has(string graph) => _entries.Any(e => e.Graph == graph);

    /// <summary>Runs the graph on the reference inputs of every case.</summary>
    /// <param name="tolerance">Tolerance of outputs without their own.</param>
    /// <exception cref="ModelException">A tensor is missing, or the graph cannot run on the inputs.</exception>
    public IReadOnlyList<Deviation> Compare(string graph, IModel model, double? tolerance)
        => [.. _entries.Where(e => e.Graph == graph).Select(e => e.Case).Distinct().Order()
            .SelectMany(number => Compare(graph, number, model, tolerance))];

    private Deviation[] Compare(string graph, int number, IModel model, double? tolerance)
    {
        var tensors = new List<Tensor>();
        try
        {
            Tensor[] inputs = [.. model.Inputs.Select(spec => Load(Find(graph, number, "input", spec.Name)))];
            Entry[] wanted = [.. model.Outputs.Select(spec => Find(graph, number, "output", spec.Name))];
            Tensor[] found = [.. wanted.Select(e => Keep(new Tensor(e.Shape)))];
            model.Run(inputs, found);
            return [.. wanted.Select((entry, i) => Measure(entry, Load(entry), found[i], tolerance))];
        }
        finally
        {
            foreach (var tensor in tensors) tensor.Dispose();
        }

        Tensor Keep(Tensor tensor)
        {
            tensors.Add(tensor);
            return tensor;
        }

        Tensor Load(Entry entry)
        {
            var tensor = Keep(new Tensor(entry.Shape));
            using var file = File.OpenRead(Path.Combine(_folder, Data));
            file.Position = entry.Offset;
            file.ReadExactly(MemoryMarshal.AsBytes(tensor.Span));
            return tensor;
        }
    }

    private static Deviation Measure(Entry entry, Tensor expected, Tensor found, double? tolerance)
    {
        var (largest, scale) = (0.0, 1.0);
        Span<float> e = expected.Span, f = found.Span;
        for (var i = 0; i < e.Length; i++)
        {
            scale = Math.Max(scale, Math.Abs(e[i]));
            largest = Math.Max(largest, Math.Abs((double)e[i] - f[i])); // once NaN, always NaN
        }

        return new Deviation(entry.Name, largest, scale, entry.Tolerance is { } own
            ? Math.Max(own, tolerance ?? own)
            : tolerance);
    }

    private Entry Find(string graph, int number, string role, string name) =>
        _entries.FirstOrDefault(e => e.Graph == graph && e.Case == number && e.Role == role && e.Name == name)
        ?? throw new ModelException(
            $"{Path.Combine(_folder, Index)}: there is no {role} {name} of {graph} in case {number}.");

    private sealed record Entry(string Graph, int Case, string Role, string Name, long[] Shape, long Offset,
        double? Tolerance)
    {
        public static Entry? Read(JsonElement json, long length)
        {
            if (json.ValueKind != JsonValueKind.Object || Text("graph") is not { } graph || Text("role") is not { } role
                || Text("name") is not { } name) return null;
            if (!json.TryGetProperty("shape", out var sides) || sides.ValueKind != JsonValueKind.Array
                || !json.TryGetProperty("offset", out var at) || !Whole(at, out var offset)) return null;
            var (shape, elements) = (new long[sides.GetArrayLength()], 1L);
            foreach (var (i, side) in sides.EnumerateArray().Index())
            {
                if (!Whole(side, out shape[i]) || shape[i] < 1 || shape[i] > length) return null;
                elements *= shape[i];
                if (elements > length) return null;
            }

            var number = 1;
            if (json.TryGetProperty("case", out var which) && (which.ValueKind != JsonValueKind.Number
                || !which.TryGetInt32(out number) || number < 1)) return null;
            double? tolerance = null;
            if (json.TryGetProperty("tolerance", out var own))
            {
                if (own.ValueKind != JsonValueKind.Number || own.GetDouble() is not (> 0 and < double.PositiveInfinity))
                    return null;
                tolerance = own.GetDouble();
            }

            return offset >= 0 && offset <= length - elements * sizeof(float)
                ? new Entry(graph, number, role, name, shape, offset, tolerance)
                : null;

            string? Text(string key) => json.TryGetProperty(key, out var value)
                && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }

        private static bool Whole(JsonElement value, out long number)
        {
            number = 0;
            return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out number);
        }
    }
}
