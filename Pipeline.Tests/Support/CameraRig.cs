using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>One camera's context with everything observable; disposing it fails the test when a tensor leaked.</summary>
internal sealed class CameraRig : IDisposable
{
    /// <param name="measures">False: nothing listens to the metrics, as in a run without an exporter.</param>
    public CameraRig(ModelGraphs models, TimeProvider? time = null, bool measures = true)
    {
        Models = models;
        Time = time ?? new ManualTime();
        Measured = new TestMetrics(measures);
    }

    public ModelGraphs Models { get; }

    public TimeProvider Time { get; }

    public TensorPool Tensors { get; } = new();

    public TestMetrics Measured { get; }

    public CollectingPublisher Published { get; } = new();

    public TrackOptions Track { get; } = new();

    public PublishOptions Publish { get; } = new();

    public RefinerOptions Refiner { get; } = new();

    public Heartbeats? Beats { get; set; }

    public CameraContext Context =>
        new("cam", Models, Tensors, Published, Measured.Metrics.Camera("cam"), Time, Track, Publish, Refiner)
        {
            Beats = Beats,
        };

    public void Dispose()
    {
        Assert.Equal(0, Tensors.Outstanding);
        Tensors.Dispose();
        Measured.Dispose();
    }
}
