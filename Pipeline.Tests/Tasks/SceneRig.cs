using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Tasks;

/// <summary>
/// Tracking and refinement of a panoptic or semantic model whose class logits and masks the test writes down: query q
/// says in frame i what <see cref="Scripted"/> has for it, and the refiner what the last frame of its clip has, unless
/// it is told otherwise.
/// </summary>
internal sealed class SceneRig : IDisposable
{
    public const int Queries = 6, Classes = 4, Stride = 4, Cat = 0, Dog = 1, Grass = 2, Sky = 3, Nothing = 4;

    private readonly CameraRig _rig;
    private int _frame;

    public SceneRig(ModelTask task)
    {
        var manifest = FakeDvis.Manifest with
        {
            Task = task,
            Queries = Queries,
            HiddenSize = Queries,
            MaskChannels = Queries,
            MaskStride = Stride,
            Classes = [new(Cat, "cat", "thing", "#ff0000"), new(Dog, "dog", "thing", "#00ff00"),
                new(Grass, "grass", "stuff", "#008000"), new(Sky, "sky", "stuff", "#0000ff")],
        };
        var copy = new FakeModel("frame_forward", static (inputs, outputs) => inputs[0].Span.CopyTo(outputs[0].Span));
        _rig = new CameraRig(
            FakeDvis.Graphs(manifest, copy, new FakeModel("tracker", Track), copy, new FakeModel("refiner", Refine)));
        (_rig.Refiner.Window, _rig.Refiner.Stride, _rig.Refiner.Lookahead) = (4, 2, 1);
        (_rig.Track.ConfirmFrames, _rig.Publish.MaskGrid) = (1, 1);
    }

    /// <summary>16 x 12 pixels on a grid of 4 x 3 cells, unless it is set.</summary>
    public InputGeometry Input { get; set; } = new(16, 12, 16, 12, 16, 12, 4, 3);

    public List<Script> Scripted { get; } = [];

    /// <summary>Class logits of the refiner; null: those of the last frame.</summary>
    public float[]? Refined { get; set; }

    public PanopticOptions Panoptic => _rig.Panoptic;

    public TrackOptions Tracks => _rig.Track;

    public PublishOptions Publish => _rig.Publish;

    public RefinerOptions Refiner => _rig.Refiner;

    public CollectingPublisher Published => _rig.Published;

    public MaskGeometry Geometry => MaskReader.GeometryOf(Input, _rig.Publish.MaskGrid);

    /// <summary>A new frame of the script, in which no query says anything.</summary>
    public Script Frame()
    {
        var frame = new Script(Input.MaskWidth, Input.MaskHeight);
        Scripted.Add(frame);
        return frame;
    }

    /// <param name="info">Changes what is known of a frame, by its number from 0.</param>
    public async Task RunAsync(Func<bool>? isBehind = null, Func<int, FrameInfo, FrameInfo>? info = null)
    {
        using var method = _rig.Method();
        using var refining = _rig.RefineStage(method, isBehind);
        await _rig.PublishAsync(refining.RunAsync(_rig.TrackAsync(method, FramesAsync())));

        async IAsyncEnumerable<SegmentedFrame> FramesAsync()
        {
            for (var i = 0; i < Scripted.Count; i++)
            {
                await Task.Yield();
                _frame = i;
                var (embeds, features) = (_rig.Tensors.Rent(1, Queries, Queries), _rig.Tensors
                    .Rent(1, Queries, Input.MaskHeight, Input.MaskWidth));
                Identity(embeds.Span);
                Scripted[i].Masks.CopyTo(features.Span);
                var plain = Some.FrameInfo(Input.SourceWidth, Input.SourceHeight, i + 1)
                    with
                { ReceivedTicks = i * 100_000 };
                yield return new SegmentedFrame(info?.Invoke(i, plain) ?? plain, Input, embeds, features, default);
            }
        }
    }

    public void Dispose() => _rig.Dispose();

    private void Track(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        inputs[1].Span.CopyTo(outputs[0].Span);
        inputs[1].Span.CopyTo(outputs[1].Span);
        Scripted[_frame].Logits.CopyTo(outputs[2].Span);
        Identity(outputs[3].Span);
    }

    private void Refine(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        (Refined ?? Scripted[_frame].Logits).CopyTo(outputs[0].Span);
        for (var t = 0; t < inputs[0].Shape[0]; t++) Identity(outputs[1].Span[(t * Queries * Queries)..]);
    }

    // Mask q is feature q, and no two queries look alike.
    private static void Identity(Span<float> matrix)
    {
        matrix[..(Queries * Queries)].Clear();
        for (var q = 0; q < Queries; q++) matrix[q * Queries + q] = 1;
    }

    /// <summary>What the queries say in one frame.</summary>
    internal sealed class Script
    {
        private readonly int _width;

        public Script(int width, int height)
        {
            _width = width;
            (Logits, Masks) = (new float[Queries * (Classes + 1)], new float[Queries * width * height]);
            for (var q = 0; q < Queries; q++) Logits[q * (Classes + 1) + Nothing] = 9;
            Masks.AsSpan().Fill(-9);
        }

        /// <summary>Shape [Q,K+1].</summary>
        public float[] Logits { get; }

        /// <summary>Shape [Q,GridHeight,GridWidth].</summary>
        public float[] Masks { get; }

        /// <summary>Query <paramref name="query"/> is sure of a class in some cells of the grid.</summary>
        public Script Say(int query, int classId, Func<int, int, bool> where, float sure = 9, float mask = 9)
        {
            var logits = Logits.AsSpan(query * (Classes + 1), Classes + 1);
            logits.Clear();
            logits[classId] = sure;
            var cells = Masks.Length / Queries;
            for (var i = 0; i < cells; i++) Masks[query * cells + i] = where(i % _width, i / _width) ? mask : -9;
            return this;
        }
    }
}
