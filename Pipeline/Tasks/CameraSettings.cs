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

/// <summary>Options of one camera's pipeline, with the manifest of its model, which has defaults for some.</summary>
public sealed record CameraSettings : ResultOptions
{
    public CameraSettings(ModelManifest manifest, ResultOptions? results = null) : base(results ?? new())
        => Manifest = manifest;

    public ModelManifest Manifest { get; }

    public QueueOptions Queue { get; init; } = new();

    public RefinerOptions Refiner { get; init; } = new();

    /// <summary>Class score from which a query is a detection: the camera's, else the model's.</summary>
    public double MinScore => Track.MinScore ?? Manifest.MinScore;

    /// <summary>Class score from which a detection may start a track: the camera's, else the model's.</summary>
    public double StartScore => Math.Max(MinScore, Track.StartScore ?? Manifest.StartScore);

    /// <summary>True for classes that are published; all when the option names none.</summary>
    public bool IsPublished(int classId)
        => Publish.Labels.Length == 0 || Publish.Labels.Contains(Label(classId), StringComparer.Ordinal);

    public string Label(int classId) => Manifest.Classes[classId].Name;
}
