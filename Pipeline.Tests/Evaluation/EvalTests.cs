using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary><c>dvis eval --model</c> as a shell sees it.</summary>
public sealed class EvalTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _model;

    public EvalTests()
    {
        _model = TinyDvis.Write(_folder.Path("model"));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Eval_SeveralModes_AreScoredTogetherAndTheirFilesScoreTheSame()
    {
        await RequireFfmpegAsync();
        // What one mode says becomes the truth: that mode is perfect then.
        WriteData(annotations: null);
        Assert.Equal(0, (await EvalAsync("--mode", "online", "--top-k", "1", "--out", _folder.Path("said"))).Code);
        WriteData(JsonNode.Parse(await File.ReadAllTextAsync(_folder.Path("said/results.json")))!.AsArray());

        var (code, output) = await EvalAsync("--mode", "online", "--mode", "offline", "--mode", "semi-online:window=2",
            "--top-k", "1", "--out", _folder.Path("out"), "--json", _folder.Path("all.json"));

        Assert.True(code == 0, output);
        Assert.True(Regex.IsMatch(output, @"^online +100\.00 ", RegexOptions.Multiline), output);
        Assert.Contains("2 videos, 6 frames", output);
        var all = JsonNode.Parse(await File.ReadAllTextAsync(_folder.Path("all.json")))!;
        Assert.Equal(["online", "offline", "semi-online:window=2,stride=2,lookahead=0"], all["modes"]!.AsObject()
            .Select(m => m.Key));
        foreach (var (mode, numbers) in all["modes"]!.AsObject())
        {
            var file = Path.Combine(_folder.Path("out"), mode.Replace(':', '_').Replace(',', '_'), "results.json");
            var (again, said) = await Tool.DvisAsync("eval", "--results", file, "--truth", _folder.Path("gt.json"),
                "--json", _folder.Path("one.json"));
            Assert.True(again == 0, said);
            Assert.True(JsonNode.DeepEquals(numbers,
                JsonNode.Parse(await File.ReadAllTextAsync(_folder.Path("one.json")))), mode);
        }
    }

    [Fact]
    public async Task Eval_FirstVideosOnly_RunsAndScoresThese()
    {
        await RequireFfmpegAsync();
        WriteData(Objects(3));

        var (code, output) = await EvalAsync("--videos", "1");

        Assert.True(code == 0, output);
        Assert.Contains("1 video, 3 frames", output);
    }

    [Fact]
    public async Task Eval_APictureIsMissing_IsOneSentenceAndOne()
    {
        WriteData(Objects(3));
        File.Delete(_folder.Path("images/b/1.png"));

        var (code, output) = await EvalAsync("--mode", "offline");

        Assert.Equal(1, code);
        Assert.EndsWith($"dvis: video 2: the image {_folder.Path("images/b/1.png")} does not exist.\n", output);
    }

    [Fact]
    public async Task Eval_ModelWithoutAMatcher_SaysThatTheModeNeedsIt()
    {
        WriteData(Objects(3));

        Assert.Equal((1, $"dvis: {_model}: the model has no graph matcher, which this mode needs.\n"),
            await EvalAsync("--mode", "minvis"));
    }

    [Theory]
    [InlineData("minvis")]
    [InlineData("online")]
    public async Task Eval_MinVisModel_Runs(string mode)
    {
        await RequireFfmpegAsync();
        TinyDvis.Write(_model, TinyDvis.MakeMinVis);
        WriteData(Objects(3));

        var (code, output) = await EvalAsync("--mode", mode, "--half");

        Assert.True(code == 0, output);
        Assert.Contains("2 videos, 6 frames", output);
    }

    [Fact]
    public async Task Eval_ClassAgnostic_TakesAModelOfOtherClasses()
    {
        await RequireFfmpegAsync();
        TinyDvis.Write(_model, manifest =>
        {
            manifest["classes"]![0]!["name"] = "cat";
            manifest["classes"]![1]!["name"] = "dog";
        });
        WriteData(Objects(3));
        var truth = JsonNode.Parse(await File.ReadAllTextAsync(_folder.Path("gt.json")))!;
        truth["categories"]!.AsArray().Add(new JsonObject { ["id"] = 8, ["name"] = "star" });
        await File.WriteAllTextAsync(_folder.Path("gt.json"), truth.ToJsonString());

        Assert.Contains("the data set has 3 categories, the model 2 categories, and no name is in both",
            (await EvalAsync()).Output, StringComparison.Ordinal);
        var (code, output) = await EvalAsync("--class-agnostic");
        Assert.True(code == 0, output);
        Assert.Contains("\n any ", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("eval needs either --results or --model", "--results", "x.json")]
    [InlineData("--mode: there is no mode 'fast'", "--mode", "fast")]
    [InlineData("--top-k needs an integer from 1 to 1000", "--top-k", "0")]
    [InlineData("--images: the folder '/nowhere' does not exist", "--images", "/nowhere")]
    [InlineData("has no annotations to score against: --out writes the files")]
    public async Task Eval_WrongUse_SaysWhatIsWrongAndIsTwo(string says, params string[] arguments)
    {
        WriteData(annotations: null);

        var (code, output) = await EvalAsync(arguments);

        Assert.Equal(2, code);
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eval_Interrupted_EndsAndSaysHowFarItCame()
    {
        await RequireFfmpegAsync();
        WriteData(Objects(4000), length: 4000);
        using var dvis = Tool.StartDvis([.. Arguments(), "--out", _folder.Path("out")]);
        var (output, errors) = (dvis.StandardOutput.ReadToEndAsync(), dvis.StandardError.ReadToEndAsync());
        // Its result file is there before the first frame.
        await Eventually.TrueAsync(() => File.Exists(_folder.Path("out/results.json")) || dvis.HasExited);
        using (var kill = Process.Start("kill", ["-INT", $"{dvis.Id}"])) await kill.WaitForExitAsync();
        await dvis.WaitForExitAsync();

        Assert.Equal(1, dvis.ExitCode);
        Assert.Contains("dvis: stopped after 0 of 2 videos; nothing was scored", await errors);
        Assert.Equal("", await output);
        Assert.NotNull(JsonNode.Parse(await File.ReadAllTextAsync(_folder.Path("out/results.json"))));
    }

    private static Task RequireFfmpegAsync() => Clips.RunAsync("-version");

    private string[] Arguments() => ["eval", "--model", _model, "--data", _folder.Path("gt.json"), "--threads", "1"];

    private Task<(int Code, string Output)> EvalAsync(params string[] arguments) =>
        Tool.DvisAsync([.. Arguments(), .. arguments]);

    /// <summary>One, which fills the first video.</summary>
    private static JsonArray Objects(int length) => [new JsonObject
    {
        ["video_id"] = 1,
        ["category_id"] = 4,
        ["segmentations"] = new JsonArray([.. Enumerable.Range(0, length)
            .Select(_ => new JsonObject { ["size"] = new JsonArray(24, 40), ["counts"] = new JsonArray(0, 960) })]),
    }];

    /// <summary>Two videos of three pictures, repeated to the length.</summary>
    private void WriteData(JsonArray? annotations, int length = 3)
    {
        string[] names = ["a", "b"];
        foreach (var (v, name) in names.Index())
        {
            Directory.CreateDirectory(_folder.Path($"images/{name}"));
            for (var t = 0; t < 3; t++)
            {
                var pixels = new byte[40 * 24 * 3];
                for (var i = 0; i < pixels.Length; i++) pixels[i] = (byte)((i % 3 + 1) * (v * 20 + i / 3 % 40 + t * 3));
                PngWriter.Write(_folder.Path($"images/{name}/{t}.png"), new PngImage(40, 24, 3, pixels));
            }
        }

        var truth = new JsonObject
        {
            ["videos"] = new JsonArray([.. names.Select((name, v) => new JsonObject
            {
                ["id"] = v + 1,
                ["width"] = 40,
                ["height"] = 24,
                ["length"] = length,
                ["file_names"] = new JsonArray(
                    [.. Enumerable.Range(0, length).Select(t => JsonValue.Create($"{name}/{t % 3}.png"))]),
            })]),
            ["categories"] = new JsonArray(new JsonObject { ["id"] = 4, ["name"] = "circle" },
                new JsonObject { ["id"] = 6, ["name"] = "square" }),
        };
        if (annotations is not null)
        {
            foreach (var (i, annotation) in annotations.Index())
            {
                annotation!["id"] = i + 1;
                annotation["iscrowd"] = 0;
            }

            truth["annotations"] = annotations.DeepClone();
        }

        File.WriteAllText(_folder.Path("gt.json"), truth.ToJsonString());
    }
}
