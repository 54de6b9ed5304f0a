using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Flow;

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
