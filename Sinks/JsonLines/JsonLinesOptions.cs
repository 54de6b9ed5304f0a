using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>Results as lines of JSON in a file (section <c>sinks.json_lines</c>).</summary>
public sealed class JsonLinesOptions
{
    /// <summary>File to append to; <c>-</c>: standard output; empty: off.</summary>
    [FilePath] public string? Path { get; set; }

    /// <summary>True: a slow disk slows the pipeline. False: results are dropped and counted.</summary>
    public bool Lossless { get; set; }

    /// <summary>Masks as COCO run lengths in every record, and the map where the model has one.</summary>
    public bool Masks { get; set; }

    /// <summary>Size in bytes at which the file is renamed to <c>.1</c> and a new one begins; 0: never.</summary>
    [Range(0, long.MaxValue)] public long MaxBytes { get; set; }

    /// <summary>Number of renamed files kept.</summary>
    [Range(1, 1000)] public int Keep { get; set; } = 5;

    /// <summary>Longest time that a line stays in memory while others follow; zero: none.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan FlushInterval { get; set; } = TimeSpan.FromSeconds(1);
}
