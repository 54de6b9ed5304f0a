using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline;

/// <summary>Which model, and how it is refined (section <c>model</c>).</summary>
public sealed class ModelOptions
{
    /// <summary>Model folder with <c>manifest.json</c>.</summary>
    [Required, FilePath(Shipped = true)] public string Path { get; set; } = "Models/default";

    /// <summary>Which of the manifest's files to take.</summary>
    [AllowedValues("auto", "fp32", "fp16", "int8")] public string Precision { get; set; } = ModelManifest.AutoPrecision;

    /// <summary><c>online</c>: tracker only; every final is a passthrough. <c>semi-online</c>: the refiner revises.</summary>
    [AllowedValues("online", "semi-online")] public string Mode { get; set; } = "semi-online";

    public RefinerOptions Refiner { get; set; } = new();
}

/// <summary>The sliding clip (section <c>model.refiner</c>): window = stride, lookahead = 0 is the paper's semi-online mode.</summary>
public sealed class RefinerOptions
{
    /// <summary>Frames the refiner sees at once, the newest included.</summary>
    [Range(1, 512)] public int Window { get; set; } = 20;

    /// <summary>Frames committed by one run.</summary>
    [Range(1, 512)] public int Stride { get; set; } = 5;

    /// <summary>Frames after the last committed one that the refiner has seen.</summary>
    [Range(0, 511)] public int Lookahead { get; set; } = 5;

    /// <summary>A live frame is final at most so long after its provisional result, also when the camera has stopped sending.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")] public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>What happens when refinement falls behind: the window's final repeats the provisional result, or is empty.</summary>
    [AllowedValues("passthrough", "skip")] public string OnOverload { get; set; } = "passthrough";
}

/// <summary>Inference runtime (section <c>runtime</c>).</summary>
public sealed class RuntimeOptions
{
    /// <summary>
    /// Execution providers in order of preference: <c>tensorrt, cuda, cpu</c>. The first that works is used; a warning
    /// gives the reason when it is not the first of the list.
    /// </summary>
    [MinLength(1)] public string[] Provider { get; set; } = ["cpu"];

    /// <summary>
    /// The last acceptable provider of <see cref="Provider"/>: when neither it nor one before it works, the service
    /// does not start. Null: any of the list.
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

/// <summary>Hop before the segmenter (section <c>defaults.queue</c>, overridable per camera).</summary>
public sealed class QueueOptions
{
    /// <summary>Frames that may wait. Small is fresh, large is smooth.</summary>
    [Range(1, 64)] public int Capacity { get; set; } = 2;

    /// <summary><c>drop_oldest</c> for what is live, <c>wait</c> for files; <c>auto</c> decides by the source.</summary>
    [AllowedValues("auto", "drop_oldest", "wait")] public string Policy { get; set; } = "auto";

    /// <summary>A live frame older than this when its turn comes is dropped as stale.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromMilliseconds(500);
}

/// <summary>Lives of tracks (section <c>defaults.track</c>, overridable per camera).</summary>
public sealed class TrackOptions
{
    /// <summary>A query counts as an object from this class score on; null: the model's own threshold.</summary>
    [Range(0.0, 1.0)] public double? MinScore { get; set; }

    /// <summary>Frames in a row before a tentative track becomes active.</summary>
    [Range(1, 100)] public int ConfirmFrames { get; set; } = 2;

    /// <summary>How long a track may be out of sight before it ends.</summary>
    public TimeSpan LostTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>A silence of this length between two frames begins a new epoch.</summary>
    public TimeSpan ResetAfterGap { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Cosine similarity from which an object that returns gets its id back.</summary>
    [Range(-1.0, 1.0)] public double ReidentifySimilarity { get; set; } = 0.6;

    /// <summary>Every live track repeats an <c>updated</c> event at this interval; zero: only on change.</summary>
    public TimeSpan UpdateInterval { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Which queries make a panoptic segment (section <c>defaults.panoptic</c>, overridable per camera); only with models of task <c>vps</c>.</summary>
public sealed class PanopticOptions
{
    /// <summary>A query competes for pixels when its class score is above this.</summary>
    [Range(0.0, 1.0)] public double ObjectScore { get; set; } = 0.8;

    /// <summary>A segment that wins less than this share of its mask is given up.</summary>
    [Range(0.0, 1.0)] public double Overlap { get; set; } = 0.8;
}

/// <summary>What is published of a camera (section <c>defaults.publish</c>, overridable per camera).</summary>
public sealed class PublishOptions
{
    /// <summary>Only these classes; empty: all.</summary>
    public string[] Labels { get; set; } = [];

    /// <summary><c>off</c>: no masks on the wire; <c>on</c>: protobuf masks on their own topics.</summary>
    [AllowedValues("off", "on")] public string Masks { get; set; } = "off";

    /// <summary>Source pixels a cell of the mask grid: 1, 2, 4 or 8.</summary>
    [AllowedValues(1, 2, 4, 8)] public int MaskGrid { get; set; } = 4;

    /// <summary>One simplified polygon a track in the JSON messages.</summary>
    public bool Contours { get; set; }

    /// <summary>
    /// The whole frame as one map, with models of task <c>vps</c> and <c>vss</c>: run lengths or a PNG, on its own topics. <c>auto</c>:
    /// runs where the model has a map.
    /// </summary>
    [AllowedValues("auto", "off", "runs", "png")] public string Map { get; set; } = "auto";
}
