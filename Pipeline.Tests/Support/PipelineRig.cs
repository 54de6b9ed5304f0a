using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>One camera's whole pipeline; disposing it fails the test when a frame or a tensor leaked.</summary>
internal sealed class PipelineRig : IAsyncDisposable
{
    private readonly SegmenterBatcher _segmenter;
    private readonly List<Task> _runs = [];

    public PipelineRig(ModelGraphs models, TimeProvider? time = null, bool measures = true)
    {
        Camera = new CameraRig(models, time, measures);
        _segmenter = new SegmenterBatcher(models.Segmenter, models.Manifest, new BatchOptions(), Camera.Tensors,
            Camera.Measured.Metrics, Camera.Time);
    }

    public CameraRig Camera { get; }

    public FramePool Frames { get; } = new();

    public QueueOptions Queue => Camera.Queue;

    public CollectingPublisher Published => Camera.Published;

    public Task RunAsync(IFrameSource source, IPublisher? publisher = null, CancellationToken stop = default)
    {
        var run = Camera.Pipeline(source, _segmenter, publisher).RunAsync(stop);
        _runs.Add(run);
        return run;
    }

    public async ValueTask DisposeAsync()
    {
        // A test that failed on the way leaves its pipeline running: what it holds is no leak,
        // and must not hide why the test failed.
        if (!_runs.TrueForAll(run => run.IsCompleted)) return;
        await _segmenter.DisposeAsync();
        Camera.Dispose();
        Assert.Equal(0, Frames.Outstanding);
        Frames.Dispose();
    }
}
