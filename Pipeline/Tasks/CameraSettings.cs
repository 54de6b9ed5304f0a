using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Options of a camera's results (its sections <c>track, panoptic, publish</c>).</summary>
public record ResultOptions
{
    public TrackOptions Track { get; set; } = new();

    public PanopticOptions Panoptic { get; set; } = new();

    public PublishOptions Publish { get; set; } = new();
}

/// <summary>Options of a camera's pipeline; the manifest of its model has defaults for some.</summary>
public sealed record CameraSettings : ResultOptions
{
    public CameraSettings(ModelManifest manifest, ResultOptions? results = null) : base(results ?? new())
        => Manifest = manifest;

    public ModelManifest Manifest { get; }

    public QueueOptions Queue { get; init; } = new();

    public RefinerOptions Refiner { get; init; } = new();

    /// <inheritdoc cref="ModelOptions.ResetEndedSlots"/>
    public bool ResetEndedSlots { get; init; } = true;

    /// <summary>Thresholds of panoptic segments: the camera's, else the model's.</summary>
    public PanopticRule PanopticRule => new(
        Panoptic.ObjectScore ?? Manifest.Panoptic.ObjectScore, Panoptic.Overlap ?? Manifest.Panoptic.Overlap);

    /// <summary>True for classes that are published.</summary>
    public bool IsPublished(int classId)
        => Publish.Labels.Length == 0 || Publish.Labels.Contains(Label(classId), StringComparer.Ordinal);

    public string Label(int classId) => Manifest.Classes[classId].Name;
}

/// <summary>
/// Queries that make a panoptic segment (section <c>defaults.panoptic</c>, overridable per camera); only with models of
/// task <c>vps</c>.
/// </summary>
public sealed class PanopticOptions
{
    /// <summary>A query competes for pixels when its class score is above this; null: the manifest's.</summary>
    [Range(0.0, 1.0)] public double? ObjectScore { get; set; }

    /// <summary>A segment that wins less than this share of its mask is dropped; null: the manifest's.</summary>
    [Range(0.0, 1.0)] public double? Overlap { get; set; }
}
