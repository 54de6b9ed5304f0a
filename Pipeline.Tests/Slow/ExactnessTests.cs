using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary>An imported DVIS R50, run by the service's own pipeline,
/// against what the official code answered with the same weights on the same frames.</summary>
public sealed class ExactnessTests : IDisposable
{
    private const int Frames = 8, Height = 192, Width = 320, Queries = 100, Channels = 256, Classes = 25, TopK = 20;
    private static readonly string[] s_modes = ["online", "offline"];
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Verify_TheImportedModel_Passes()
    {
        var (code, output) = await Tool.DvisAsync("models", "verify", await OfficialModel.FolderAsync());

        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task Eval_TheDumpedFrames_WritesTheOfficialEndResults()
    {
        await Clips.RunAsync("-version");
        var model = await OfficialModel.FolderAsync();
        var video = Video("online");
        Assert.Equal(video, Video("offline"));
        Directory.CreateDirectory(_folder.Path("images/v"));
        for (var t = 0; t < Frames; t++)
            PngWriter.Write(_folder.Path($"images/v/{t}.png"), new PngImage(Width, Height, 3, video[t]));
        await File.WriteAllTextAsync(_folder.Path("data.json"), new JsonObject
        {
            ["videos"] = new JsonArray(new JsonObject
            {
                ["id"] = 1,
                ["width"] = Width,
                ["height"] = Height,
                ["length"] = Frames,
                ["file_names"] =
                    new JsonArray([.. Enumerable.Range(0, Frames).Select(t => JsonValue.Create($"v/{t}.png"))]),
            }),
            ["categories"] = new JsonArray(
                [.. Enumerable.Range(0, Classes).Select(c => new JsonObject { ["id"] = 100 + c, ["name"] = $"c{c}" })]),
        }.ToJsonString());

        var (code, output) = await Tool.DvisAsync("eval", "--model", model, "--data", _folder.Path("data.json"),
            "--out", _folder.Path("out"), "--threads", "1",
            "--mode", "online", "--mode", "offline");

        Assert.True(code == 0, output);
        foreach (var mode in s_modes)
        {
            using var truth = YtvisTruth.Open(_folder.Path("data.json"));
            using var results = YtvisResults.Open(_folder.Path($"out/{mode}/results.json"), truth);
            Compare(mode, results.Of(truth.Videos[0])
                .Select(p => new Found(p.CategoryId - 100, null, p.Score, p.Masks)));
        }
    }

    [Fact]
    public async Task Run_TheDumpedFrames_GivesTheOfficialQueriesToo()
    {
        var folder = ModelFolder.Open(await OfficialModel.FolderAsync());
        using var models = ModelGraphs.Load(folder, "fp32", TinyDvis.Runtime, ["segmenter", "tracker", "frame_forward",
            .. MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo)], 2, NullLogger.Instance);
        using var rig = new CameraRig(models, TimeProvider.System);
        using var pool = new FramePool();
        await using var segmenter = new SegmenterBatcher(models.Segmenter, models.Manifest, new BatchOptions(),
            rig.Tensors, rig.Measured.Metrics, rig.Time);

        var results = await new VideoEvaluator(models, segmenter, rig.Tensors,
            [new EvaluationMode(ModeKind.Online), new EvaluationMode(ModeKind.Offline)], TopK)
            .RunAsync("dump", FramesAsync(), () => { }, default);

        for (var i = 0; i < s_modes.Length; i++)
            Compare(s_modes[i], Assert.IsType<InstanceResult>(results[i]).Tubes
                .Select(t => new Found(t.ClassId, t.Query, t.Score, t.Masks)));

        async IAsyncEnumerable<Frame> FramesAsync()
        {
            foreach (var (t, pixels) in Video("online").Index())
            {
                await Task.Yield();
                var frame = pool.Rent(Width, Height, Some.FrameInfo(Width, Height, t + 1));
                pixels.CopyTo(frame.Pixels);
                yield return frame;
            }
        }
    }

    /// <summary>Eight frames in three windows of the official driver; here there are no windows.</summary>
    [Fact]
    public async Task Tracker_GivenTheDumpedQueries_SaysWhatTheOfficialOneSays()
    {
        using var models = await LoadAsync("tracker");
        using var rig = new CameraRig(models, TimeProvider.System);
        using var answers = new Npz(OfficialModel.Answers("online_ovis_192x320"));
        using var tracker =
            new QueryTracker(models[MethodContract.Tracker], models.Manifest, models.Manifest.Matching, rig.Tensors);
        for (var t = 0; t < Frames; t++)
        {
            using var frame = Frame(rig.Tensors, Rows(answers.Floats($"seg.pred_embds.{t / 3}"), t % 3));
            using var step = tracker.Step(frame.FrameEmbeds);

            var logits = answers.Floats($"tracker.pred_logits.{t / 3}").Values
                .AsSpan(t % 3 * Queries * (Classes + 1), Queries * (Classes + 1));
            OfficialAnswers.AssertNear(logits, step.Logits.Span, 2e-3f);
            OfficialAnswers.AssertNear(
                Rows(answers.Floats($"tracker.pred_embds.{t / 3}"), t % 3), step.InstanceEmbeds.Span, 2e-3f);
        }
    }

    [Fact]
    public async Task Refiner_GivenTheDumpedClip_SaysWhatTheOfficialOneSays()
    {
        using var models =
            await LoadAsync(["frame_forward", "refiner", .. MethodContract.Dvis.GraphsOf(GraphUse.WholeVideo)]);
        using var online = new Npz(OfficialModel.Answers("online_ovis_192x320"));
        using var answers = new Npz(OfficialModel.Answers("offline_ovis_192x320"));
        var memory = answers.Floats("tracker.frame_forward.0");
        using var embeds = new Tensor(Frames, Queries, Channels);
        using var remembered = new Tensor(Frames, Queries, Channels);
        using var logits = new Tensor(Queries, Classes + 1);
        using var maskEmbeds = new Tensor(Frames, Queries, Channels);
        for (var t = 0; t < Frames; t++)
            Rows(online.Floats($"seg.pred_embds.{t / 3}"), t % 3).CopyTo(embeds.Span[(t * Queries * Channels)..]);

        models[MethodContract.FrameForward].Run([embeds], [remembered]);

        for (var t = 0; t < Frames; t++)
            OfficialAnswers.AssertNear(
                Rows(memory, t), remembered.Span.Slice(t * Queries * Channels, Queries * Channels), 2e-3f);

        for (var t = 0; t < Frames; t++)
            Rows(answers.Floats("refiner.in.instance_embeds.0"), t).CopyTo(embeds.Span[(t * Queries * Channels)..]);
        models[MethodContract.Refiner].Run([embeds, remembered], [logits, maskEmbeds]);

        var expected = answers.Floats("refiner.pred_logits.0").Values[..logits.Length];
        OfficialAnswers.AssertNear(expected, logits.Span, 2e-3f);

        // In steps over some frames each, none of which sees the clip as a whole.
        using var pool = new TensorPool();
        using var steps =
            new VideoRefiner(new RefinerSteps(models), models.Manifest, pool, new RefinerBlocks(5, 3, 5 * 3 * 40, 3));
        const int size = Queries * Channels;
        for (var t = 0; t < Frames; t++)
            steps.Add(t, embeds.Span.Slice(t * size, size), remembered.Span.Slice(t * size, size));
        var foundMasks = new float[maskEmbeds.Length];
        var found = steps.Refine(Frames, (t, values) => values.CopyTo(foundMasks.AsSpan(t * size)), default);

        OfficialAnswers.AssertNear(expected, found, 2e-3f);
        OfficialAnswers.AssertNear(maskEmbeds.Span, foundMasks, 2e-3f);
    }

    private static async Task<ModelGraphs> LoadAsync(params string[] graphs)
        => ModelGraphs.Load(ModelFolder.Open(await OfficialModel.FolderAsync()), "fp32", TinyDvis.Runtime,
            ["segmenter", "tracker", .. graphs.Except(["tracker"])], 2, NullLogger.Instance);

    private static SegmentedFrame Frame(TensorPool pool, float[] queries)
    {
        var embeds = pool.Rent(1, Queries, Channels);
        queries.CopyTo(embeds.Span);
        return new SegmentedFrame(Some.FrameInfo(Width, Height), default, embeds, pool.Rent(1), default);
    }

    /// <summary>Frame <paramref name="t"/> of [1,C,T,Q] as [Q,C].</summary>
    private static float[] Rows(NpyArray<float> dumped, int t)
    {
        var rows = new float[Queries * Channels];
        for (var c = 0; c < Channels; c++)
            for (var q = 0; q < Queries; q++)
                rows[q * Channels + c] = dumped.Values[(c * dumped.Shape[2] + t) * Queries + q];
        return rows;
    }

    /// <summary>The frames, packed RGB.</summary>
    private static byte[][] Video(string mode)
    {
        using var answers = new Npz(OfficialModel.Answers($"{mode}_ovis_192x320"));
        var planes = answers.Bytes("video_u8");
        Assert.Equal([Frames, 3, Height, Width], planes.Shape);
        const int pixels = Height * Width;
        return [.. Enumerable.Range(0, Frames).Select(t =>
            Enumerable.Range(0, pixels * 3).Select(i => planes.Values[(t * 3 + i % 3) * pixels + i / 3]).ToArray())];
    }

    private static void Compare(string mode, IEnumerable<Found> results)
    {
        using var answers = new Npz(OfficialModel.Answers($"{mode}_ovis_192x320"));
        var (scores, labels, ids) = (answers.Doubles("final.pred_scores").Values,
            answers.Integers("final.pred_labels").Values, answers.Integers("final.pred_ids").Values);
        var masks = answers.Bytes("final.pred_masks");
        // The official order is not the order of scores.
        int[] order = [.. Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i])];
        var found = results.ToArray();
        Assert.Equal(order.Select(i => labels[i]), found.Select(f => (long)f.ClassId));
        if (found[0].Query is not null)
            Assert.Equal(order.Select(i => ids[i]), found.Select(f => (long)f.Query!.Value));
        var (off, least) = (0.0, 1.0);
        foreach (var (rank, i) in order.Index())
        {
            (off, least) = (Math.Max(off, Math.Abs(scores[i] - found[rank].Score)), Math.Min(least,
                OfficialAnswers.IoU(masks, i, found[rank].Masks)));
            Assert.InRange(off, 0, 1e-3);
            Assert.InRange(least, 0.99, 1);
        }

        OfficialAnswers.Tell($"{mode}: scores off by {off:0.0e+0} at most, masks IoU {least:0.00000} at least");
    }

    private sealed record Found(int ClassId, int? Query, double Score, IReadOnlyList<RunLengthMask?> Masks);
}
