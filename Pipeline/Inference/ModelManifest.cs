using System.Text.Json;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Checked content of a model folder's <c>manifest.json</c>.</summary>
public sealed record ModelManifest
{
    /// <summary>Threshold of the official DVIS demo, for models whose manifest has none.</summary>
    public const double DefaultMinScore = 0.3;

    /// <summary>Choice of <see cref="Precision"/>.</summary>
    public const string AutoPrecision = "auto";

    public required string Name { get; init; }

    public required string Version { get; init; }

    /// <summary>Network family, and so the graphs; DVIS where the manifest has none.</summary>
    public MethodContract Method { get; init; } = MethodContract.Dvis;

    public required ModelTask Task { get; init; }

    /// <summary>Videos on which the weights were trained; real where the manifest has no entry.</summary>
    public ModelDomain Domain { get; init; }

    /// <summary>Default precision: what its measured loss allows on a CPU.</summary>
    public string Precision { get; init; } = "fp32";

    /// <summary>Class score from which a query is a detection, as measured for this model.</summary>
    public double MinScore { get; init; } = DefaultMinScore;

    /// <summary>Class score from which a detection may start a track, at least <see cref="MinScore"/>.</summary>
    public double StartScore { get; init; } = DefaultMinScore;

    /// <summary>Index = <see cref="ClassLabel.Id"/> = column of the logits; "no object" follows the last.</summary>
    public required IReadOnlyList<ClassLabel> Classes { get; init; }

    /// <summary>Q: slots.</summary>
    public required int Queries { get; init; }

    /// <summary>F: queries of the segmenter; Q where the manifest has no entry.</summary>
    public int FrameQueries { get => field > 0 ? field : Queries; init; }

    /// <summary>V: video queries of VITA; 0 for other methods.</summary>
    public int VideoQueries { get; init; }

    /// <summary>Frames of a clip, for a method that goes from clip to clip; else 1.</summary>
    public int Clip { get; init; } = 1;

    /// <summary>Longest clip; null: the manifest has no entry.</summary>
    public int? MaxClip { get; init; }

    /// <summary>Bound of the memory of past clips; null: the method has none.</summary>
    public MemoryRule? Memory { get; init; }

    /// <summary>File of the first clip's query, float32 [Q,C], little-endian; null: the method has none.</summary>
    public string? FirstQuery { get; init; }

    /// <summary>Settings of the association of RefineVIS; null: another method.</summary>
    public AssociationRule? Association { get; init; }

    /// <summary>W: frames that the refinement of RefineVIS sees online.</summary>
    public int TemporalWindow { get; init; } = 1;

    /// <summary>Frames after which the encoding of frame numbers of RefineVIS repeats.</summary>
    public int FramePeriod { get; init; } = 1;

    /// <summary>C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Cm.</summary>
    public required int MaskChannels { get; init; }

    /// <summary>Input pixels per mask cell.</summary>
    public required int MaskStride { get; init; }

    public required MatchingRule Matching { get; init; }

    public required InputRule Input { get; init; }

    /// <summary>Largest T of the refiner; null without one: the model runs in mode <c>online</c> only.</summary>
    public required int? RefinerMaxWindow { get; init; }

    /// <summary>Layers and heads of the refiner, for the graphs of whole videos; 0 without them.</summary>
    public int RefinerLayers { get; init; }

    /// <inheritdoc cref="RefinerLayers"/>
    public int RefinerHeads { get; init; }

    /// <summary>Files of the graphs that the model has, by name and precision, in the order of its method.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyDictionary<string, ModelFile>> Files { get; init; }

    /// <summary>Thresholds of panoptic results.</summary>
    public PanopticRule Panoptic { get; init; } = new();

    public required string License { get; init; }

    public required string WeightsFrom { get; init; }

    /// <summary>Measured quality as the exporter wrote it; free form.</summary>
    public JsonElement Quality { get; init; }

    /// <summary>K.</summary>
    public int ClassCount => Classes.Count;

    /// <summary>True when the model has the graphs of <see cref="GraphUse.WholeVideo"/>.</summary>
    public bool HasRefinerSteps => RefinerLayers > 0;

    /// <summary>True when frames are revised in mode <c>semi-online</c>.</summary>
    public bool Revises => RefinerMaxWindow is not null || Clip > 1;

    /// <summary>Mode of this model that a choice stands for.</summary>
    public ModelMode Resolve(ModelMode mode) =>
        mode != ModelMode.Auto ? mode : Revises ? ModelMode.SemiOnline : ModelMode.Online;

    /// <summary>Precisions that at least one graph has.</summary>
    public IEnumerable<string> Precisions => Files.Values.SelectMany(f => f.Keys).Distinct();

    /// <summary>The precision that a choice stands for.</summary>
    public string Resolve(string precision) => precision == AutoPrecision ? Precision : precision;

    /// <summary>Precision in which a graph runs when this one is wanted: fp32 where it has no such file.</summary>
    public string PrecisionOf(string graph, string wanted) => Files[graph].ContainsKey(wanted) ? wanted : "fp32";

    /// <summary>File of that precision; null when the model lacks the graph.</summary>
    public ModelFile? FileOf(string graph, string wanted) =>
        Files.ContainsKey(graph) ? Files[graph].GetValueOrDefault(PrecisionOf(graph, wanted)) : null;
}

/// <summary>Thresholds of the official panoptic inference, by default those of most of its configurations.</summary>
/// <param name="ObjectScore">OBJECT_MASK_THRESHOLD: class score above which a query competes for pixels.</param>
/// <param name="Overlap">OVERLAP_THRESHOLD: share of its mask that a segment must keep.</param>
public sealed record PanopticRule(double ObjectScore = 0.8, double Overlap = 0.8);

/// <summary>One class of the model.</summary>
/// <param name="Id">Index of the logit.</param>
/// <param name="Kind"><c>thing</c> or <c>stuff</c>.</param>
/// <param name="Color"><c>#rrggbb</c>.</param>
public sealed record ClassLabel(int Id, string Name, string Kind, string Color)
{
    /// <summary>True for countable objects, false for stuff.</summary>
    public bool IsThing => Kind == "thing";
}

/// <summary>Task of a model: what its results are.</summary>
public enum ModelTask
{
    /// <summary>Video instance segmentation: tracks of objects.</summary>
    Vis,

    /// <summary>Video panoptic segmentation: tracks of things, regions of stuff, a map of the frame.</summary>
    Vps,

    /// <summary>Video semantic segmentation: a region per class, a map of the frame, no tracks.</summary>
    Vss,
}

/// <summary>Videos on which a model was trained: recordings of cameras, or scenes that a program has drawn.</summary>
public enum ModelDomain { Real, Rendered }

/// <summary>Order of a frame's queries after they are matched to the last ones.</summary>
public enum MatchingRule
{
    /// <summary>Row i takes the query assigned to it.</summary>
    Aligned,

    /// <summary>The inverse permutation, as in DVIS. Needed by its checkpoints.</summary>
    Dvis,
}

/// <summary>Rule by which a frame becomes the segmenter's input.</summary>
/// <param name="ShorterSide">Pixels the shorter side is scaled to …</param>
/// <param name="LargestSide">… unless the longer side would exceed this.</param>
/// <param name="Divisor">Both sides are padded to a multiple of it, with 0 after normalisation.</param>
/// <param name="Mean">Per channel, in the channel order, on the scale 0 … 255.</param>
/// <param name="Std">Per channel.</param>
/// <param name="ChannelOrder"><c>rgb</c> or <c>bgr</c>.</param>
public sealed record InputRule(int ShorterSide, int LargestSide, int Divisor, float[] Mean, float[] Std,
    string ChannelOrder);

/// <summary>One file of a model.</summary>
/// <param name="Path">Relative to the manifest, inside its folder.</param>
/// <param name="Sha256">Lower-case hex.</param>
public sealed record ModelFile(string Path, string Sha256);
