using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Which model, and how it is refined (section <c>model</c>).</summary>
public sealed class ModelOptions
{
    /// <summary>Model folder with <c>manifest.json</c>.</summary>
    [Required, FilePath(Shipped = true)] public string Path { get; set; } = "Models/default";

    /// <summary>Which of the manifest's files to take.</summary>
    [AllowedValues("auto", "fp32", "fp16", "int8")] public string Precision { get; set; } = ModelManifest.AutoPrecision;

    public ModelMode Mode { get; set; } = ModelMode.SemiOnline;

    public RefinerOptions Refiner { get; set; } = new();
}

/// <summary>The sliding clip (section <c>model.refiner</c>): window = stride,
/// lookahead = 0 is the paper's semi-online mode.</summary>
public sealed class RefinerOptions
{
    /// <summary>Frames the refiner sees at once, the newest included.</summary>
    [Range(1, 512)] public int Window { get; set; } = 20;

    /// <summary>Frames committed by one run.</summary>
    [Range(1, 512)] public int Stride { get; set; } = 5;

    /// <summary>Frames after the last committed one that the refiner has seen.</summary>
    [Range(0, 511)] public int Lookahead { get; set; } = 5;

    /// <summary>A live frame is final at most so long after its provisional result,
    /// also when the camera has stopped sending.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Final of a window when refinement falls behind.</summary>
    public OverloadPolicy OnOverload { get; set; }
}

/// <summary>Whether results are revised.</summary>
public enum ModelMode
{
    /// <summary>Tracker only: every final is a passthrough.</summary>
    Online,

    /// <summary>The refiner revises.</summary>
    [JsonStringEnumMemberName("semi-online")] SemiOnline,
}

/// <summary>Final of a window that the refiner has no time for.</summary>
public enum OverloadPolicy
{
    /// <summary>It repeats the provisional results.</summary>
    Passthrough,

    /// <summary>It is empty.</summary>
    Skip,
}
