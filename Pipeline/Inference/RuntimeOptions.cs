using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Inference runtime (section <c>runtime</c>).</summary>
public sealed class RuntimeOptions
{
    /// <summary>
    /// Execution providers in order of preference: <c>tensorrt, cuda, cpu</c>. The first that works is used; a warning
    /// gives the reason when it is not the first of the list.
    /// </summary>
    [MinLength(1)] public string[] Provider { get; set; } = ["cpu"];

    /// <summary>
    /// The last acceptable provider of <see cref="Provider"/>: unless it or one before it works, the service does not
    /// start. Null: any of the list.
    /// </summary>
    public string? Require { get; set; }

    /// <summary>GPU number.</summary>
    [Range(0, 63)] public int Device { get; set; }

    /// <summary>Threads of one graph run; 0: all cores.</summary>
    [Range(0, 256)] public int Threads { get; set; } = 1;

    public BatchOptions Batch { get; set; } = new();
}

/// <summary>Frames of several cameras in one segmenter run (section <c>runtime.batch</c>).</summary>
public sealed class BatchOptions
{
    /// <summary>Largest batch.</summary>
    [Range(1, 64)] public int Max { get; set; } = 4;

    /// <summary>Longest wait for a batch to fill.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.Zero;
}
