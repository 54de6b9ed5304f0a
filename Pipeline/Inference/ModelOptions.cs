using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>The model and its refinement (section <c>model</c>).</summary>
public sealed class ModelOptions
{
    /// <summary>Model folder with <c>manifest.json</c>.</summary>
    [Required, FilePath(Shipped = true)] public string Path { get; set; } = "Models/default";

    /// <summary>Precision of the manifest's files; auto: the manifest's.</summary>
    [AllowedValues("auto", "fp32", "fp16", "int8")] public string Precision { get; set; } = ModelManifest.AutoPrecision;

    public ModelMode Mode { get; set; }

    public RefinerOptions Refiner { get; set; } = new();

    /// <summary>
    /// Restarts a query slot when its track has ended, so that a method that carries queries (GenVIS) does not run
    /// out of slots on an endless stream.
    /// </summary>
    public bool ResetEndedSlots { get; set; } = true;
}

/// <summary>
/// The sliding clip (section <c>model.refiner</c>): window = stride, lookahead = 0 is the paper's semi-online mode.
/// </summary>
public sealed class RefinerOptions
{
    /// <summary>Frames of one run, the newest included.</summary>
    [Range(1, 512)] public int Window { get; set; } = 20;

    /// <summary>Frames committed by one run.</summary>
    [Range(1, 512)] public int Stride { get; set; } = 5;

    /// <summary>Frames of a run after the last committed one.</summary>
    [Range(0, 511)] public int Lookahead { get; set; } = 5;

    /// <summary>Longest time from a live frame's provisional to its final result, also when no more come.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>Final of a window when refinement falls behind.</summary>
    public OverloadPolicy OnOverload { get; set; }
}

/// <summary>Mode of a model.</summary>
public enum ModelMode
{
    /// <summary>Semi-online with a model that has a refiner, else online.</summary>
    Auto,

    /// <summary>Tracker only: every final is a passthrough.</summary>
    Online,

    /// <summary>The refiner revises.</summary>
    [JsonStringEnumMemberName("semi-online")] SemiOnline,
}

/// <summary>Final of a window that the refiner has no time for: its provisional results, or empty.</summary>
public enum OverloadPolicy { Passthrough, Skip }
