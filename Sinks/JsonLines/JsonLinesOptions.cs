using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>Results as lines of JSON in a file (section <c>sinks.json_lines</c>).</summary>
public sealed class JsonLinesOptions
{
    /// <summary>File to append to; <c>-</c>: standard output; empty: off.</summary>
    [FilePath] public string? Path { get; set; }

    /// <summary>True: a slow disk slows the pipeline. False: results are shed and counted.</summary>
    public bool Lossless { get; set; }

    /// <summary>Masks as COCO run lengths in every record, and the map where the model has one.</summary>
    public bool Masks { get; set; }

    /// <summary>A file that reaches this size is renamed to <c>.1</c> and a new one begun; 0: never.</summary>
    [Range(0, long.MaxValue)] public long MaxBytes { get; set; }

    /// <summary>Renamed files that are kept.</summary>
    [Range(1, 1000)] public int Keep { get; set; } = 5;

    /// <summary>Longest time a line may stay in memory while others follow; zero:
    /// every line is written at once.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);
}
