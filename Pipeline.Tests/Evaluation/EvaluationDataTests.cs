using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>Results of a model on their way into the official files and metrics.</summary>
public sealed class EvaluationDataTests : IDisposable
{
    private static readonly RunLengthMask s_left = new(8, 4, [0, 16, 16]), s_right = new(8, 4, [16, 16]),
        s_none = new(8, 4, [32]);
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Instances_ObjectsInGroupsOfOcclusion_AreScoredByGroup()
    {
        using var data = Open(Manifest(ModelTask.Vis), WriteInstances(("light", s_left), ("heavy", s_right)));
        using var scorer = Assert.IsType<InstanceScorer>(data.CreateScorer(_folder.Root, scores: true));

        // The left object is found by the best detection, the right one by the worst;
        // between them one that finds nothing.
        scorer.Add(0, new InstanceResult(8, 4,
        [
            new InstanceTube(0, 0, 0.9f, [s_left, s_left]),
            new InstanceTube(1, 0, 0.5f, [s_none, new RunLengthMask(8, 4, [0, 1, 31])]),
            new InstanceTube(2, 0, 0.4f, [s_right, s_right]),
            new InstanceTube(3, 1, 0.8f, [s_left, s_left]),
        ]));

        Assert.Equal(["light", "heavy"], scorer.Groups().Select(g => g.Key).OrderDescending());
        var groups = scorer.Groups().ToDictionary(g => g.Key, g => g.Value.Ap);
        Assert.Equal(1, groups["light"], 1e-9);
        Assert.Equal(0.5, groups["heavy"], 1e-9);
        Assert.Equal((51 * 1 + 50 * 2 / 3.0) / 101, scorer.Report()!.Ap, 1e-9);
        scorer.Dispose();
        // The class that the data set lacks is not in the file; the others are what they were.
        using var truth = YtvisTruth.Open(_folder.Path("instances.json"));
        using var results = YtvisResults.Open(_folder.Path("results.json"), truth);
        Assert.Equal([0.9, 0.5, 0.4], results.Of(truth.Videos[0]).Select(p => Math.Round(p.Score, 6)));
    }

    [Fact]
    public void Instances_NoAnnotations_CannotBeScored()
    {
        using var data = Open(Manifest(ModelTask.Vis), WriteInstances());

        Assert.False(data.CanScore);
        Assert.Equal([Path.Combine(_folder.Root, "v/0.png"), Path.Combine(_folder.Root, "v/1.png")],
            Assert.Single(data.Videos).Pictures);
    }

    [Fact]
    public void Panoptic_TheTruthItself_IsPerfectAndComesBackFromItsFiles()
    {
        WritePanoptic();
        using var data = Open(Manifest(ModelTask.Vps), _folder.Root);
        using (var scorer = Assert.IsType<PanopticScorer>(data.CreateScorer(_folder.Path("out"), scores: true)))
        {
            scorer.Add(0,
                new PanopticResult(8, 4, [new PredictedSegment(1, 0, 0, true), new PredictedSegment(2, 1, 1, false)],
                    [Runs(1, 2), Runs(1, 1), Runs(0, 2)]));
            var report = scorer.Report()!;
            // Longer windows than the video have no tubes.
            Assert.Equal((1, 1, 1), (report.Windows[0].All.Pq, report.Windows[1].All.Pq, report.Stq.IoU));
        }

        using var truth = VipsegTruth.Open(_folder.Root);
        using var results = VipsegResults.Open(_folder.Path("out"), truth);
        var frames = results.Frames(truth.Videos[0]).ToArray();
        Assert.Equal([[(1, 5), (2, 9)], [(1, 5)], [(2, 9)]],
            frames.Select(f => f.Segments.Select(s => (s.Id, s.CategoryId)).ToArray()).ToArray());
        Assert.Equal([0, 2], frames[2].Ids.Distinct());
        Assert.Equal(Path.Combine(_folder.Root, "v", "b.jpg"), data.Videos[0].Pictures[1]);
    }

    [Fact]
    public void Semantic_HalfOfItRight_IsScoredAndWritten()
    {
        foreach (var frame in (string[])["a", "b"])
        {
            Directory.CreateDirectory(_folder.Path("v/mask"));
            PngWriter.Write(_folder.Path($"v/mask/{frame}.png"), new PngImage(8, 4, 1, Bytes(1, 2)));
        }

        using var data = Open(Manifest(ModelTask.Vss), _folder.Root);
        using var scorer = Assert.IsType<SemanticScorer>(data.CreateScorer(_folder.Path("out"), scores: true));
        scorer.Add(0, new SemanticResult(8, 4, [Runs(0, 1), Runs(0, 0)]));

        // Class 0: 32 right of 48; class 1: 16 right of 32.
        Assert.Equal((32 / 48.0 + 16 / 32.0) / 2, scorer.Report()!.MeanIoU, 1e-9);
        Assert.Equal(Bytes(0, 0), new SemanticFolder(_folder.Path("out")).Map("v", "b.png").Pixels);
    }

    [Theory]
    [InlineData(true, "found a mask of 9x4")]
    [InlineData(false, "video 1 names no pictures")]
    public void Instances_WhatDoesNotFit_SaysSo(bool named, string said)
    {
        var path = WriteInstances(("light", s_left));
        if (!named) File.WriteAllText(path, File.ReadAllText(path).Replace("file_names", "no_names"));

        var failure = Assert.Throws<EvaluationException>(() =>
        {
            using var data = Open(Manifest(ModelTask.Vis), path);
            using var scorer = data.CreateScorer(null, scores: true);
            scorer.Add(0, new InstanceResult(9, 4,
                [new InstanceTube(0, 0, 1, [new RunLengthMask(9, 4, [36]), new RunLengthMask(9, 4, [36])])]));
        });

        Assert.Contains(said, failure.Message);
    }

    private EvaluationData Open(ModelManifest manifest, string truth) =>
        EvaluationData.Open(manifest, truth, _folder.Root, firstLabel: 1);

    private static ModelManifest Manifest(ModelTask task) => FakeDvis.Manifest with
    {
        Task = task,
        Classes = [new ClassLabel(0, "circle", "thing", "#ff0000"),
            new ClassLabel(1, task == ModelTask.Vis ? "star" : "sky", "stuff", "#00ff00")],
    };

    private string WriteInstances(params (string Group, RunLengthMask Mask)[] objects)
    {
        var truth = new JsonObject
        {
            ["videos"] = new JsonArray(new JsonObject
            {
                ["id"] = 1,
                ["width"] = 8,
                ["height"] = 4,
                ["length"] = 2,
                ["file_names"] = new JsonArray("v/0.png", "v/1.png")
            }),
            ["categories"] = new JsonArray(new JsonObject { ["id"] = 1, ["name"] = "circle" }),
        };
        if (objects.Length > 0)
        {
            truth["annotations"] = new JsonArray([.. objects.Select((o, i) => new JsonObject
            {
                ["id"] = i + 1,
                ["video_id"] = 1,
                ["category_id"] = 1,
                ["iscrowd"] = 0,
                ["occlusion"] = o.Group,
                ["segmentations"] = new JsonArray(Mask(o.Mask), Mask(o.Mask)),
            })]);
        }

        File.WriteAllText(_folder.Path("instances.json"), truth.ToJsonString());
        return _folder.Path("instances.json");

        static JsonObject Mask(RunLengthMask mask) => new()
        {
            ["size"] = new JsonArray(mask.Height, mask.Width),
            ["counts"] = new JsonArray([.. mask.Counts.Select(c => JsonValue.Create(c))])
        };
    }

    /// <summary>Three frames: thing left and stuff right; the thing everywhere; stuff right alone.</summary>
    private void WritePanoptic()
    {
        (int Left, int Right)[] frames = [(1, 2), (1, 1), (0, 2)];
        Directory.CreateDirectory(_folder.Path("gt/v"));
        foreach (var (t, (left, right)) in frames.Index())
            PngWriter.Write(_folder.Path($"gt/v/{"abc"[t]}.png"),
                new PngImage(8, 4, 3, [.. Bytes((byte)left, (byte)right).SelectMany(id => new byte[] { id, 0, 0 })]));
        var truth = new JsonObject
        {
            ["videos"] = new JsonArray(new JsonObject
            {
                ["video_id"] = "v",
                ["images"] = new JsonArray([.. "abc".Select(n => new JsonObject { ["file_name"] = $"{n}.png" })])
            }),
            ["categories"] = new JsonArray(
                new JsonObject { ["id"] = 5, ["name"] = "circle", ["isthing"] = 1 },
                new JsonObject { ["id"] = 9, ["name"] = "sky", ["isthing"] = 0 }),
            ["annotations"] = new JsonArray(new JsonObject
            {
                ["video_id"] = "v",
                ["annotations"] = new JsonArray([.. frames.Select(f => new JsonObject
                {
                    ["segments_info"] = new JsonArray(
                        [.. new[] { f.Left, f.Right }.Where(id => id > 0).Distinct().Select(id =>
                            new JsonObject { ["id"] = id, ["category_id"] = id == 1 ? 5 : 9, ["iscrowd"] = 0 })]),
                })]),
            }),
        };
        File.WriteAllText(_folder.Path("panoptic_gt.json"), truth.ToJsonString());
    }

    private static ValueRuns Runs(ushort left, ushort right) =>
        new(8, 4, [.. Enumerable.Range(0, 32).Select(i => i % 8 < 4 ? left : right)]);

    private static byte[] Bytes(byte left, byte right) =>
        [.. Enumerable.Range(0, 32).Select(i => i % 8 < 4 ? left : right)];
}
