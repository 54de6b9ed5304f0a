using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>What every stage of one camera needs.</summary>
/// <param name="Camera">Name.</param>
/// <param name="Models">Shared by all cameras.</param>
/// <param name="Tensors">Shared by all cameras.</param>
public sealed record CameraContext(
    string Camera, DvisModels Models, TensorPool Tensors, IPublisher Publisher, CameraMetrics Metrics,
    TimeProvider Time, TrackOptions Track, PublishOptions Publish, RefinerOptions Refiner)
{
    public PanopticOptions Panoptic { get; init; } = new();

    /// <summary>Where the stages say that they are at work; null: nobody listens.</summary>
    public Heartbeats? Beats { get; init; }

    public ResetRequest Reset { get; init; } = new();

    /// <summary>Class score from which a query is a detection: the camera's, else the model's.</summary>
    public double MinScore => Track.MinScore ?? Models.Manifest.MinScore;

    /// <summary>Class score from which a detection may start a track: the camera's, else the model's.</summary>
    public double StartScore => Math.Max(MinScore, Track.StartScore ?? Models.Manifest.StartScore);

    /// <summary>Classes that are published; all when the option names none.</summary>
    public bool IsPublished(int classId) => Publish.Labels.Length == 0 || Publish.Labels.Contains(Label(classId), StringComparer.Ordinal);

    public string Label(int classId) => Models.Manifest.Classes[classId].Name;
}
