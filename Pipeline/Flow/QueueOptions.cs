using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>Queue before the segmenter (section <c>defaults.queue</c>, overridable per camera).</summary>
public sealed class QueueOptions
{
    /// <summary>Frames that may wait: few for low latency, many for few drops.</summary>
    [Range(1, 64)] public int Capacity { get; set; } = 2;

    public QueuePolicy Policy { get; set; }

    /// <summary>A live frame older than this when its turn comes is dropped as stale.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromMilliseconds(500);
}

/// <summary>Policy of a full queue before the segmenter.</summary>
public enum QueuePolicy
{
    /// <summary><see cref="DropOldest"/> for live sources, <see cref="Wait"/> for files.</summary>
    Auto,

    /// <summary>Its oldest frame is dropped.</summary>
    DropOldest,

    /// <summary>The source waits.</summary>
    Wait,
}
