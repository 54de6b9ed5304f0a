using System.Text.Json;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Strict reader of <c>manifest.json</c>: it collects all problems.</summary>
internal static partial class ManifestReader
{
    private const string PathInside = "a path inside the model folder";

    private const int MaxBytes = 4 << 20; // a manifest with a thousand classes takes a tenth of it

    /// <exception cref="ModelException">Not readable, not JSON, or wrong; names every problem with its key.</exception>
    public static ModelManifest Read(string path)
    {
        try
        {
            using var document = StrictJson.Parse(SmallFile.ReadBytes(path, MaxBytes),
                new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Read(document.RootElement, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"{path}: the model's manifest cannot be read: {e.Message}", e);
        }
        catch (JsonException e)
        {
            throw new ModelException(
                $"{path}:{e.LineNumber + 1}:{e.BytePositionInLine + 1}: the model's manifest is not JSON: {e.Message}",
                e);
        }
    }

    private static ModelManifest Read(JsonElement root, string path)
    {
        var problems = new List<string>();
        var manifest = Read(new ManifestNode(root, "", problems), problems);
        if (problems.Count > 0) throw new ModelException($"{path}: {string.Join("; ", problems)}.");
        return manifest;
    }

    private static ModelManifest Read(ManifestNode json, List<string> problems)
    {
        var (input, files, method) = (json.Object("input"), json.Object("files"), Method(json));
        // A model has no part of a refiner, or all of it.
        var steps = method.GraphsOf(GraphUse.WholeVideo).Any(files.Has);
        var revision = method.GraphsOf(GraphUse.Revision);
        var refines = steps || revision.Any(files.Has) || (json.Has("refiner") && revision.Any())
            || method == MethodContract.RefineVis;
        CheckGraphs(method, files, problems);
        // Read once, so that it is reported once.
        var refiner = refines ? json.Object("refiner") : default;
        var (clips, vita, associates) =
            (method == MethodContract.GenVis, method.IsVita, method == MethodContract.RefineVis);
        // The slots of a VITA model are those of the tracker in front, which follows the segmenter's queries.
        var slots = vita ? "frame_queries" : "queries";
        var maxClip = clips && json.Has("max_clip") ? json.Integer("max_clip", 1, 512) : (int?)null;
        var minScore = json.Has("min_score") ? json.Number("min_score", 0, 1) : ModelManifest.DefaultMinScore;
        var manifest = new ModelManifest
        {
            Name = json.Text("name"),
            Version = json.Text("version"),
            Method = method,
            Task = clips || vita || associates ? json.OneOf("task", ModelTask.Vis) : json.OneOf<ModelTask>("task"),
            Domain = json.Has("domain") ? json.OneOf<ModelDomain>("domain") : ModelDomain.Real,
            Precision = json.Has("precision") ? json.OneOf("precision", "fp32", "fp16", "int8") : "fp32",
            MinScore = minScore,
            StartScore = json.Has("start_score") ? json.Number("start_score", minScore, 1) : minScore,
            Classes = Classes(json, problems),
            Queries = json.Integer(slots, 1, 4096),
            FrameQueries = clips || associates ? json.Integer("frame_queries", 1, 4096) : 0,
            VideoQueries = vita ? json.Integer("queries", 1, 4096) : 0,
            Clip = clips ? json.Integer("clip", 1, maxClip ?? 512) : 1,
            MaxClip = maxClip,
            Memory = clips ? Memory(json.Object("memory")) : null,
            FirstQuery = clips ? json.Matching("first_query", InsideFolder(), PathInside) : null,
            Association = associates ? AssociationReader.Read(json.Object("association")) : null,
            TemporalWindow = associates ? json.Integer("window", 1, 512) : 1,
            FramePeriod = associates ? json.Integer("frame_period", 1, 1 << 20) : 1,
            HiddenSize = json.Integer("hidden_size", 1, 4096),
            MaskChannels = json.Integer("mask_channels", 1, 4096),
            MaskStride = json.Integer("mask_stride", 1, 32),
            Matching = method.SlotGraph == MethodContract.Tracker
                ? json.OneOf<MatchingRule>("matching")
                : json.OneOf("matching", MatchingRule.Aligned),
            Input = new InputRule(
                input.Integer("shorter_side", 1, 8192),
                input.Integer("largest_side", 1, 8192),
                input.Integer("divisor", 1, 1024),
                input.ThreeNumbers("mean", float.MinValue),
                input.ThreeNumbers("std", float.Epsilon),
                input.OneOf("channel_order", "rgb", "bgr")),
            RefinerMaxWindow = refines ? refiner.Integer("max_window", 1, 4096) : null,
            RefinerLayers = steps ? refiner.Integer("layers", 1, 256) : 0,
            RefinerHeads = steps ? refiner.Integer("heads", 1, 256) : 0,
            Files = method.Graphs.Where(g => IsExpected(g)).ToDictionary(
                g => g.Name, IReadOnlyDictionary<string, ModelFile> (g) => Precisions(files.Object(g.Name))),
            Panoptic = json.Has("panoptic") ? Panoptic(json.Object("panoptic")) : new PanopticRule(),
            License = json.Text("license"),
            WeightsFrom = json.Text("weights_from"),
            Quality = json.Raw("quality"),
        };
        if (json.Has("scoring")) json.OneOf("scoring", method.Scoring);
        return manifest;

        bool IsExpected(GraphContract graph) => graph.Use switch
        {
            GraphUse.Online => true,
            GraphUse.Revision => refines,
            GraphUse.WholeVideo => steps,
            _ => files.Has(graph.Name),
        };
    }

    private static MethodContract Method(ManifestNode json)
    {
        if (!json.Has("method")) return MethodContract.Dvis;
        var name = json.OneOf("method", [.. MethodContract.All.Select(m => m.Name).Distinct()]);
        if (name == MethodContract.VitaBehindMinVis.Name)
        {
            return json.OneOf("front", MethodContract.MinVis.Name, MethodContract.Dvis.Name) == MethodContract.Dvis.Name
                ? MethodContract.VitaBehindDvis
                : MethodContract.VitaBehindMinVis;
        }

        return MethodContract.All.FirstOrDefault(m => m.Name == name) ?? MethodContract.Dvis;
    }

    /// <summary>Reports files of graphs that only other methods have.</summary>
    private static void CheckGraphs(MethodContract method, ManifestNode files, List<string> problems)
    {
        string[] others =
        [
            .. MethodContract.All.SelectMany(m => m.Graphs).Select(g => g.Name).Distinct()
                .Except(method.Graphs.Select(g => g.Name)).Where(files.Has),
        ];
        if (others.Length > 0)
            problems.Add($"files: found {string.Join(", ", others)}, of other methods than {method.Name}");
    }

    private static MemoryRule Memory(ManifestNode json) => new(
        json.Integer("clips", 1, 4096),
        json.Has("policy") ? json.OneOf<MemoryPolicy>("policy") : MemoryPolicy.Merge);

    private static PanopticRule Panoptic(ManifestNode json)
    {
        var rule = new PanopticRule();
        return new(
            json.Has("object_score") ? json.Number("object_score", 0, 1) : rule.ObjectScore,
            json.Has("overlap") ? json.Number("overlap", 0, 1) : rule.Overlap);
    }

    private static ClassLabel[] Classes(ManifestNode json, List<string> problems)
    {
        var labels = json.Items("classes").Select(item => new ClassLabel(
            item.Integer("id", 0, 65535),
            item.Text("name"),
            item.OneOf("kind", "thing", "stuff"),
            item.Matching("color", Color(), "#rrggbb"))).OrderBy(label => label.Id).ToArray();
        // An id is a column of the logits, so each must be there once.
        for (var id = 0; id < labels.Length; id++)
            if (!labels.Any(label => label.Id == id))
                problems.Add(
                    $"classes: no class has id {id}, and {labels.Length} classes need the ids 0 to "
                    + $"{labels.Length - 1}");
        foreach (var twice in labels.GroupBy(label => label.Name).Where(g => g.Count() > 1))
            problems.Add($"classes: the name {twice.Key} stands there {twice.Count()} times");
        return labels;
    }

    private static Dictionary<string, ModelFile> Precisions(ManifestNode json)
        => json.Properties().ToDictionary(p => p.Key, p => new ModelFile(
            p.Value.Matching("path", InsideFolder(), PathInside),
            p.Value.Matching("sha256", Sha256(), "64 lower-case hex digits")));

    [GeneratedRegex("^#[0-9a-f]{6}$")]
    private static partial Regex Color();

    [GeneratedRegex("^[0-9a-f]{64}$")]
    private static partial Regex Sha256();

    // Relative, and no step up: a manifest must not point the daemon at other files.
    [GeneratedRegex(@"^(?!/)(?!.*(^|/)\.\.(/|$)).+$")]
    private static partial Regex InsideFolder();
}
