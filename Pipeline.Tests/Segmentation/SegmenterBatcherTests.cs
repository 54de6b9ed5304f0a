using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Segmentation;

public sealed class SegmenterBatcherTests : IAsyncDisposable
{
    // A wait that no test can sit out: whoever depends on it hangs and is seen.
    private static readonly TimeSpan Forever = TimeSpan.FromHours(1);

    private readonly FramePool _frames = new();
    private readonly TensorPool _tensors = new();
    private readonly TestMetrics _metrics = new();
    private readonly List<SegmenterBatcher> _batchers = [];
    private readonly List<IModel> _models = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var batcher in _batchers) await batcher.DisposeAsync();
        foreach (var model in _models) model.Dispose();
        // Every test's last assertion: nothing leaked.
        Assert.Equal(0, _tensors.Outstanding);
        Assert.Equal(0, _frames.Outstanding);
        _metrics.Dispose();
        _tensors.Dispose();
        _frames.Dispose();
    }

    [Fact]
    public async Task SegmentAsync_OneFrame_CarriesInfoGeometryAndTensors()
    {
        using var sut = Batcher(Tiny()).Open();
        using var frame = Some.Frame(_frames, 48, 32, frameId: 7);
        using var result = await sut.SegmentAsync(frame);

        Assert.Same(frame.Info, result.Info);
        Assert.Equal((48, 32, 64, 32),
            (result.Geometry.ResizedWidth, result.Geometry.ResizedHeight, result.Geometry.PaddedWidth,
                result.Geometry.PaddedHeight));
        Assert.Equal([1, 3, 4], result.FrameEmbeds.Shape);
        Assert.Equal([1, 3, 8, 16], result.MaskFeatures.Shape);
        Assert.Equal(1, result.Work.Batch);
        Assert.True(result.Work.Duration > TimeSpan.Zero);
        // Query 0 is the mean of the red plane (padding included), spread by 1, 2, 3, 4.
        var red = Enumerable.Range(0, 48 * 32).Sum(i => (double)frame.Pixels[i * 3]) / (64 * 32);
        Assert.Equal(red, result.FrameEmbeds.Span[0], 1e-2);
        Assert.Equal(2 * red, result.FrameEmbeds.Span[1], 1e-2);
    }

    [Fact]
    public async Task SegmentAsync_SeveralCameras_ShareABatchAndGetTheirOwn()
    {
        var model = Tiny();
        var shared = Batcher(model, max: 4, timeout: Forever);
        CameraSegmenter[] cameras = [shared.Open(), shared.Open(), shared.Open()];
        var frames = cameras.Select((_, i) => Some.Frame(_frames, 40, 32, frameId: i + 1)).ToArray();
        // The last one completes the set of cameras, so nobody waits for the timeout.
        var together = await Task.WhenAll(cameras.Zip(frames, (camera, frame) => camera.SegmentAsync(frame).AsTask()));
        Assert.All(together, result => Assert.Equal(3, result.Work.Batch));

        using var alone = Batcher(model).Open();
        foreach (var (frame, result) in frames.Zip(together))
        {
            using var expected = await alone.SegmentAsync(frame);
            Assert.Same(frame.Info, result.Info);
            Assert.Equal(expected.FrameEmbeds.Span.ToArray(), result.FrameEmbeds.Span.ToArray());
            Assert.Equal(expected.MaskFeatures.Span.ToArray(), result.MaskFeatures.Span.ToArray());
            result.Dispose();
            frame.Dispose();
        }

        Assert.Equal(3, _metrics.Of("dvis.inference.batch_size", "model=segmenter")[0]);
        Assert.Equal(6, _metrics.Of("dvis.stage.duration", "stage=segment").Count);
        Assert.Equal(6, _metrics.Of("dvis.stage.queue.duration", "stage=segment").Count);
        Assert.Equal(6, _metrics.Of("dvis.stage.duration", "stage=preprocess").Count);
        foreach (var camera in cameras) camera.Dispose();
    }

    [Fact]
    public async Task SegmentAsync_MoreCamerasThanTheBatchTakes_AnswersAllInOrder()
    {
        var runs = new List<float[]>();
        using var gate = new SemaphoreSlim(0);
        var shared = Batcher(new ScriptedModel((inputs, _) =>
        {
            gate.Wait();
            runs.Add([.. Enumerable.Range(0, (int)inputs[0].Shape[0]).Select(i =>
                inputs[0].Span[i * inputs[0].Length / (int)inputs[0].Shape[0]])]);
        }), max: 2);
        var answers = new List<Task<SegmentedFrame>>();
        var cameras = Enumerable.Range(0, 5).Select(_ => shared.Open()).ToArray();
        foreach (var (camera, i) in cameras.Select((c, i) => (c, i)))
        {
            using var frame = _frames.Rent(32, 32, Some.FrameInfo(32, 32));
            frame.Pixels.Fill((byte)i);
            answers.Add(camera.SegmentAsync(frame).AsTask());
        }

        gate.Release(5);
        foreach (var answer in await Task.WhenAll(answers)) answer.Dispose();
        Assert.Equal([0, 1, 2, 3, 4], runs.SelectMany(run => run));
        Assert.All(runs, run => Assert.InRange(run.Length, 1, 2));
        foreach (var camera in cameras) camera.Dispose();
    }

    [Fact]
    public async Task SegmentAsync_OtherInputSizes_RunApart()
    {
        var sizes = new List<string>();
        using var gate = new SemaphoreSlim(0);
        var shared = Batcher(new ScriptedModel((inputs, _) =>
        {
            gate.Wait();
            sizes.Add(string.Join('x', inputs[0].Shape));
        }), max: 4);
        var cameras = Enumerable.Range(0, 4).Select(_ => shared.Open()).ToArray();
        var answers = new List<Task<SegmentedFrame>>();
        foreach (var (camera, i) in cameras.Select((c, i) => (c, i)))
        {
            using var frame = Some.Frame(_frames, i % 2 == 0 ? 32 : 64, 32, frameId: i + 1);
            answers.Add(camera.SegmentAsync(frame).AsTask());
        }

        gate.Release(4);
        foreach (var answer in await Task.WhenAll(answers)) answer.Dispose();
        Assert.All(sizes, size => Assert.Matches("^[12]x3x32x(32|64)$", size));
        Assert.Equal(4, sizes.Sum(size => size[0] - '0'));
        foreach (var camera in cameras) camera.Dispose();
    }

    [Fact]
    public async Task SegmentAsync_NoTimeout_DoesNotWaitForOtherCameras()
    {
        var shared = Batcher(Tiny(), max: 4);
        using CameraSegmenter busy = shared.Open(), idle = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);
        using var result = await busy.SegmentAsync(frame);
        Assert.Equal(1, result.Work.Batch);
    }

    [Fact]
    public async Task SegmentAsync_OtherCameraStaysAway_RunsAfterTheTimeout()
    {
        var shared = Batcher(Tiny(), max: 4, timeout: TimeSpan.FromMilliseconds(1));
        using CameraSegmenter busy = shared.Open(), idle = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);
        using var result = await busy.SegmentAsync(frame);
        Assert.Equal(1, result.Work.Batch);
    }

    [Fact]
    public async Task SegmentAsync_OtherCameraCloses_DoesNotWaitForItAnyMore()
    {
        var shared = Batcher(Tiny(), max: 4, timeout: Forever);
        using var busy = shared.Open();
        var leaving = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);
        var answer = busy.SegmentAsync(frame);
        leaving.Dispose();
        using var result = await answer;
        Assert.Equal(1, result.Work.Batch);
        Assert.Equal(1, shared.Cameras);
    }

    [Fact]
    public async Task SegmentAsync_RunFails_FaultsItsRequestsOnly()
    {
        var runs = 0;
        var shared = Batcher(new ScriptedModel((_, _) =>
        {
            if (++runs == 1) throw new ModelException("scripted.onnx: no luck.");
            if (runs == 2) throw new InvalidOperationException("a bug");
        }), max: 4, timeout: Forever);
        using CameraSegmenter one = shared.Open(), two = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);

        var first = new[] { one.SegmentAsync(frame).AsTask(), two.SegmentAsync(frame).AsTask() };
        foreach (var answer in first)
            Assert.Equal("scripted.onnx: no luck.", (await Assert.ThrowsAsync<ModelException>(() => answer)).Message);
        var second = new[] { one.SegmentAsync(frame).AsTask(), two.SegmentAsync(frame).AsTask() };
        foreach (var answer in second)
            Assert.Equal("scripted.onnx: the segmenter failed: a bug",
                (await Assert.ThrowsAsync<ModelException>(() => answer)).Message);
        var third = new[] { one.SegmentAsync(frame).AsTask(), two.SegmentAsync(frame).AsTask() };
        foreach (var answer in third) (await answer).Dispose();
    }

    [Fact]
    public async Task SegmentAsync_AnotherCamerasRunIsFirst_TheWaitIsMeasuredAsQueueNotAsWork()
    {
        var time = new ManualTime();
        using SemaphoreSlim running = new(0), gate = new(0);
        var shared = Batcher(new ScriptedModel((_, _) =>
        {
            running.Release();
            gate.Wait();
            time.Advance(TimeSpan.FromMilliseconds(50));
        }), max: 1, time: time);
        using CameraSegmenter one = shared.Open(), two = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);
        var first = one.SegmentAsync(frame);
        await running.WaitAsync(TestContext.Current.CancellationToken);
        var second = two.SegmentAsync(frame);
        gate.Release(2);

        foreach (var answer in (SegmentedFrame[])[await first, await second])
        {
            Assert.Equal(TimeSpan.FromMilliseconds(50), answer.Work.Duration);
            answer.Dispose();
        }

        Assert.Equal([0, 0.05], _metrics.Of("dvis.stage.queue.duration", "stage=segment"));
        Assert.Equal([0.05, 0.05], _metrics.Of("dvis.stage.duration", "stage=segment"));
    }

    [Fact]
    public async Task SegmentAsync_EveryLookAtTheClockIsAMillisecondLater_WorkIsPreprocessingAndRun()
    {
        using var sut = Batcher(Tiny(), time: new SteppingTime()).Open();
        using var frame = Some.Frame(_frames, 32, 32);

        using var result = await sut.SegmentAsync(frame);

        Assert.Equal(TimeSpan.FromMilliseconds(2), result.Work.Duration);
        Assert.Equal([0.001], _metrics.Of("dvis.stage.duration", "stage=preprocess"));
        Assert.Equal([0.001], _metrics.Of("dvis.stage.queue.duration", "stage=segment"));
        Assert.Equal([0.001], _metrics.Of("dvis.stage.duration", "stage=segment"));
    }

    [Fact]
    public async Task SegmentAsync_LastAnswerNotTaken_Throws()
    {
        using var gate = new SemaphoreSlim(0);
        using var sut = Batcher(new ScriptedModel((_, _) => gate.Wait())).Open();
        using var frame = Some.Frame(_frames, 32, 32);
        var answer = sut.SegmentAsync(frame);
        await Assert.ThrowsAsync<InvalidOperationException>(() => sut.SegmentAsync(frame).AsTask());
        gate.Release();
        (await answer).Dispose();
    }

    [Fact]
    public async Task DisposeAsync_RequestsWaiting_AnswersThemThenRefuses()
    {
        using var running = new SemaphoreSlim(0);
        using var gate = new SemaphoreSlim(0);
        var shared = Batcher(new ScriptedModel((_, _) =>
        {
            running.Release();
            gate.Wait();
        }), max: 1);
        using CameraSegmenter one = shared.Open(), two = shared.Open();
        using var frame = Some.Frame(_frames, 32, 32);
        var first = one.SegmentAsync(frame);
        await running.WaitAsync(TestContext.Current.CancellationToken);
        var second = two.SegmentAsync(frame);

        var stopped = shared.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => shared.Open());
        gate.Release(2);
        await stopped;

        (await first).Dispose();
        (await second).Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => one.SegmentAsync(frame).AsTask());
    }

    [Fact]
    public async Task SegmentAsync_CameraDisposed_Throws()
    {
        var sut = Batcher(Tiny()).Open();
        sut.Dispose();
        using var frame = Some.Frame(_frames, 32, 32);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => sut.SegmentAsync(frame).AsTask());
    }

    [Fact]
    public async Task TakeMaskFeatures_ThenDispose_LeavesThemToTheTaker()
    {
        using var sut = Batcher(Tiny()).Open();
        using var frame = Some.Frame(_frames, 32, 32);
        var result = await sut.SegmentAsync(frame);
        using var features = result.TakeMaskFeatures();
        result.Dispose();
        Assert.Equal(1, _tensors.Outstanding);
        Assert.Equal(3 * 8 * 8, features.Span.Length);
        Assert.Throws<ObjectDisposedException>(() => result.MaskFeatures);
    }

    private sealed class SteppingTime : TimeProvider
    {
        private long _milliseconds;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => Interlocked.Increment(ref _milliseconds);
    }

    private static ModelManifest Manifest()
    {
        using var temp = new TempFolder();
        return ModelFolder.Open(TinyDvis.Write(temp.Root)).Manifest;
    }

    private OnnxModel Tiny()
    {
        var model = TinyDvis.Load(TinyDvis.Segmenter());
        _models.Add(model);
        return model;
    }

    private SegmenterBatcher Batcher(
        IModel model, int max = 4, TimeSpan timeout = default, TimeProvider? time = null)
    {
        var batcher = new SegmenterBatcher(model, Manifest(), new BatchOptions { Max = max, Timeout = timeout },
            _tensors, _metrics.Metrics, time ?? TimeProvider.System);
        _batchers.Add(batcher);
        return batcher;
    }
}
