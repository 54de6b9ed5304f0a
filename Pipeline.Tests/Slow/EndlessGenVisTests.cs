using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary>
/// GenVIS on a camera that never ends: many more objects than slots come and go. Its graph is a sum that a reader can
/// follow: a slot keeps the appearance of its object for ever, and a new object needs a slot that has none.
/// </summary>
public sealed class EndlessGenVisTests : IDisposable
{
    private const int Frames = 50_000, Lanes = 4, Slots = 24, Present = Lanes, Looks = Lanes + 1, Channels = 40;
    private const int Columns = FakeDvis.Classes + 1;

    private static readonly ModelManifest s_manifest = FakeDvis.Manifest with
    {
        Method = MethodContract.GenVis,
        RefinerMaxWindow = null,
        Queries = Slots,
        FrameQueries = Lanes,
        HiddenSize = Channels,
        MaskChannels = Lanes,
        Clip = 3,
        Memory = new MemoryRule(16),
        FirstQuery = "first_query.bin",
    };

    private readonly Random _random = new(7);
    private readonly float[][] _look = new float[Lanes][];
    private readonly long[] _object = new long[Lanes];
    private readonly int[] _until = new int[Lanes];
    private readonly Dictionary<long, long> _objectOf = [];
    private readonly CameraRig _rig;
    private long _objects;

    public EndlessGenVisTests() => _rig = new CameraRig(new ModelGraphs(
        s_manifest,
        new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = new FakeModel("segmenter", FakeDvis.Segment),
            [MethodContract.Clip] = new FakeModel("clip", Follow),
        })
    { FirstQuery = new float[Slots * Channels] }, measures: false);

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Run_MoreObjectsThanSlots_FindsTheLastOnesOnlyWhereEndedSlotsBeginAnew(bool resets)
    {
        _rig.ResetEndedSlots = resets;
        using var method = _rig.Method();
        using var refine = _rig.RefineStage(method);
        var (shown, there, memory) = (new int[Frames], new int[Frames], new List<long>());

        var last = 0L;
        await foreach (var message in refine.RunAsync(TrackAsync(method, shown, there, memory)))
        {
            if (message is not FinalResult final) continue;
            Assert.Equal(last + 1, final.Frames[0].FrameId);
            last = final.LastFrame;
        }

        Assert.Equal(Frames, last);
        Assert.InRange(_objects, 500, long.MaxValue);
        Assert.InRange(method.Memory!.Value.Clips, 1, 16);
        var (first, end) = (Recall(1000, 2000), Recall(Frames - 1000, Frames));
        if (!resets)
        {
            Assert.InRange(end, 0, 0.1);
            return;
        }

        Assert.InRange(first, 0.9, 1);
        Assert.InRange(end, first - 0.01, 1);
        Assert.InRange(memory[^1] - memory[0], long.MinValue, 1 << 20);

        double Recall(int from, int to) => (double)shown[from..to].Sum() / there[from..to].Sum();
    }

    private async IAsyncEnumerable<TrackedFrame> TrackAsync(
        IVideoMethod method, int[] shown, int[] there, List<long> memory)
    {
        var stage = new TrackStage(
            _rig.Settings, method, _rig.Measured.Metrics.Camera("cam"), _rig.Time, new ResetRequest());
        for (var t = 0; t < Frames; t++)
        {
            TrackedFrame frame;
            using (var segmented = Next(t)) frame = stage.Track(segmented);
            there[t] = _object.Count(o => o > 0);
            foreach (var track in frame.Provisional.Tracks)
            {
                // Lanes are 16 pixels high. An answer of a clip has what any of its frames shows.
                var seen = _object[(int)(track.CentroidY / 16)];
                if (seen == 0) continue;
                Assert.Equal(seen, _objectOf.GetValueOrDefault(track.Number, seen));
                _objectOf[track.Number] = seen;
                shown[t]++;
            }

            if (t % 10_000 == 9_999) memory.Add(GC.GetTotalMemory(forceFullCollection: true));
            yield return frame;
            if (t % 100 == 0) await Task.Yield();
        }

        stage.End(failed: false);
    }

    /// <summary>The next frame: in each lane there is an object for a while, then none, then another.</summary>
    private SegmentedFrame Next(int t)
    {
        var geometry = InputGeometry.For(64, 64, s_manifest.Input, s_manifest.MaskStride);
        var embeds = _rig.Tensors.Rent(1, Lanes, Channels);
        var features = _rig.Tensors.Rent(1, Lanes, geometry.MaskHeight, geometry.MaskWidth);
        embeds.Span.Clear();
        for (var lane = 0; lane < Lanes; lane++)
        {
            if (t >= _until[lane]) Change(lane, t);
            var row = embeds.Span.Slice(lane * Channels, Channels);
            row[lane] = 1;
            if (_object[lane] > 0)
            {
                row[Present] = 1;
                _look[lane].CopyTo(row[Looks..]);
            }

            var map = features.Span.Slice(lane * features.Length / Lanes, features.Length / Lanes);
            map.Fill(-1);
            map.Slice(lane * map.Length / Lanes, map.Length / Lanes).Fill(1);
        }

        return new SegmentedFrame(Some.FrameInfo(64, 64, t + 1), geometry, embeds, features, default);
    }

    private void Change(int lane, int t)
    {
        if (_object[lane] > 0)
        {
            (_object[lane], _until[lane]) = (0, t + _random.Next(10, 40));
            return;
        }

        (_object[lane], _until[lane]) = (++_objects, t + _random.Next(40, 120));
        var look = Array.ConvertAll(new float[Channels - Looks], _ => (float)_random.NextDouble() - 0.5f);
        var norm = MathF.Sqrt(look.Sum(x => x * x));
        _look[lane] = Array.ConvertAll(look, x => x / norm);
    }

    private static void Follow(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        foreach (var output in outputs) output.Span.Clear();
        var frames = inputs[0].Span;
        var next = outputs[7].Span;
        inputs[1].Span.CopyTo(next);
        for (var slot = 0; slot < Slots; slot++) outputs[2].Span[slot * Columns + FakeDvis.Classes] = 6;
        for (var row = 0; row < frames.Length; row += Channels)
        {
            var seen = frames.Slice(row, Channels);
            if (seen[Present] == 0 || SlotOf(seen[Looks..], next) is not { } slot) continue;
            seen[Looks..].CopyTo(next.Slice(slot * Channels + Looks, Channels - Looks));
            seen[Looks..].CopyTo(outputs[0].Span.Slice(slot * Channels + Looks, Channels - Looks));
            (outputs[2].Span[slot * Columns], outputs[2].Span[slot * Columns + FakeDvis.Classes]) = (6, 0);
            seen[..Lanes].CopyTo(outputs[3].Span.Slice(slot * Lanes, Lanes));
        }
    }

    /// <summary>The slot with this appearance, else the first without any, else null.</summary>
    private static int? SlotOf(ReadOnlySpan<float> look, ReadOnlySpan<float> queries)
    {
        int? free = null;
        for (var slot = 0; slot < Slots; slot++)
        {
            var own = queries.Slice(slot * Channels + Looks, Channels - Looks);
            var (dot, size) = (0f, 0f);
            for (var i = 0; i < own.Length; i++) (dot, size) = (dot + own[i] * look[i], size + own[i] * own[i]);
            if (dot > 0.9f) return slot;
            if (size == 0) free ??= slot;
        }

        return free;
    }
}
