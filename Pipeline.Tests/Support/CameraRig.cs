using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>One camera's context with everything observable; disposing it fails the test when a tensor leaked.</summary>
internal sealed class CameraRig : IDisposable
{
    public CameraRig(DvisModels models, TimeProvider? time = null)
    {
        Models = models;
        Time = time ?? new ManualTime();
    }

    public DvisModels Models { get; }

    public TimeProvider Time { get; }

    public TensorPool Tensors { get; } = new();

    public TestMetrics Measured { get; } = new();

    public CollectingPublisher Published { get; } = new();

    public TrackOptions Track { get; } = new();

    public PublishOptions Publish { get; } = new();

    public RefinerOptions Refiner { get; } = new();

    public CameraContext Context => new("cam", Models, Tensors, Published, Measured.Metrics, Time, Track, Publish, Refiner);

    public void Dispose()
    {
        Assert.Equal(0, Tensors.Outstanding);
        Tensors.Dispose();
        Measured.Dispose();
    }
}
