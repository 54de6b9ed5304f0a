using System.Text.Json;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>A model folder's <c>manifest.json</c>, checked: what the model is and which files it consists of.</summary>
public sealed record ModelManifest
{
    /// <summary>Of a model whose manifest names no threshold: that of the official DVIS demo.</summary>
    public const double DefaultMinScore = 0.3;

    /// <summary>Stands for <see cref="Precision"/> wherever a precision is chosen.</summary>
    public const string AutoPrecision = "auto";

    public required string Name { get; init; }

    public required string Version { get; init; }

    /// <summary>Network family, and so the graphs that the model has; DVIS where the manifest names none.</summary>
    public MethodContract Method { get; init; } = MethodContract.Dvis;

    public required ModelTask Task { get; init; }

    /// <summary>Videos on which the weights were trained; real where the manifest does not say it.</summary>
    public ModelDomain Domain { get; init; }

    /// <summary>Precision in which the model runs where none is chosen:
    /// what its measured loss allows on a CPU.</summary>
    public string Precision { get; init; } = "fp32";

    /// <summary>Class score from which a query is a detection, as measured for this model.</summary>
    public double MinScore { get; init; } = DefaultMinScore;

    /// <summary>Class score from which a detection may start a track, at least <see cref="MinScore"/>.</summary>
    public double StartScore { get; init; } = DefaultMinScore;

    /// <summary>Index = <see cref="ClassLabel.Id"/> = column of the logits;
    /// the column after the last is "no object".</summary>
    public required IReadOnlyList<ClassLabel> Classes { get; init; }

    /// <summary>Q.</summary>
    public required int Queries { get; init; }

    /// <summary>C.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Cm.</summary>
    public required int MaskChannels { get; init; }

    /// <summary>Input pixels a mask cell.</summary>
    public required int MaskStride { get; init; }

    public required MatchingRule Matching { get; init; }

    public required InputRule Input { get; init; }

    /// <summary>Largest T the refiner takes;
    /// null when the model has none and so runs in mode <c>online</c> only.</summary>
    public required int? RefinerMaxWindow { get; init; }

    /// <summary>Layers and heads of the refiner, for the graphs of whole videos; 0 without them.</summary>
    public int RefinerLayers { get; init; }

    /// <inheritdoc cref="RefinerLayers"/>
    public int RefinerHeads { get; init; }

    /// <summary>Files of the graphs that the model has, by name and precision, in the order of its method.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyDictionary<string, ModelFile>> Files { get; init; }

    public required string License { get; init; }

    public required string WeightsFrom { get; init; }

    /// <summary>Measured quality as the exporter wrote it; free form.</summary>
    public JsonElement Quality { get; init; }

    /// <summary>K.</summary>
    public int ClassCount => Classes.Count;

    /// <summary>True when the model has the graphs of <see cref="GraphUse.WholeVideo"/>.</summary>
    public bool HasRefinerSteps => RefinerLayers > 0;

    /// <summary>Precisions that at least one graph has.</summary>
    public IEnumerable<string> Precisions => Files.Values.SelectMany(f => f.Keys).Distinct();

    /// <summary>The precision that a choice stands for.</summary>
    public string Resolve(string precision) => precision == AutoPrecision ? Precision : precision;

    /// <summary>The precision in which a graph runs when this one is wanted:
    /// fp32 where the model has no such file of the graph.</summary>
    public string PrecisionOf(string graph, string wanted) => Files[graph].ContainsKey(wanted) ? wanted : "fp32";

    /// <summary>That file; null when the model has none of the graph,
    /// as a model without a refiner has none of it.</summary>
    public ModelFile? FileOf(string graph, string wanted) =>
        Files.ContainsKey(graph) ? Files[graph].GetValueOrDefault(PrecisionOf(graph, wanted)) : null;
}

/// <summary>Videos on which a model was trained, and so those in which it recognises objects.</summary>
public enum ModelDomain
{
    /// <summary>Recordings of cameras.</summary>
    Real,

    /// <summary>Scenes that a program has drawn.</summary>
    Rendered,
}

/// <summary>How this frame's queries come into the order of the last ones.</summary>
public enum MatchingRule
{
    /// <summary>Row i takes the query assigned to it.</summary>
    Aligned,

    /// <summary>As DVIS does it: by the inverse permutation. Needed by its checkpoints.</summary>
    Dvis,
}

/// <summary>How a picture becomes the segmenter's input.</summary>
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
