using System.Text.Json;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary><c>dvis eval</c> on results files: the official table, the numbers as JSON, the exit codes.</summary>
public sealed class EvalCommandTests : IDisposable
{
    private readonly TempFolder _temp = new();

    [Theory]
    [MemberData(nameof(YtvisCasesTests.Cases), MemberType = typeof(YtvisCasesTests))]
    public async Task Instances_PrintTheOfficialTable_AndTheNumbers(string name)
    {
        var folder = Shared.Path($"data/cases/ytvis/{name}");
        var (code, output) = await Tool.DvisAsync("eval", "--results", $"{folder}/results.json", "--truth",
            $"{folder}/gt.json", "--json", _temp.Path("out.json"));
        Assert.True(code == 0, output);
        Assert.Equal(File.ReadLines($"{folder}/stdout.txt").Where(l => l.Contains("maxDets", StringComparison.Ordinal)),
            output.Split('\n').Take(12));

        using var expected = JsonDocument.Parse(await File.ReadAllBytesAsync($"{folder}/expected.json"));
        using var found = JsonDocument.Parse(await File.ReadAllBytesAsync(_temp.Path("out.json")));
        foreach (var metric in expected.RootElement.GetProperty("metrics").EnumerateObject())
        {
            var value = found.RootElement.GetProperty(metric.Name);
            if (metric.Value.GetDouble() < 0) Assert.Equal(JsonValueKind.Null, value.ValueKind);
            else Assert.Equal(metric.Value.GetDouble(), value.GetDouble(), 1e-6);
        }
    }

    [Fact]
    public async Task Panoptic_PrintsTheOfficialNumbers()
    {
        var folder = Shared.Path("data/cases/panoptic/02_noisy");
        var (code, output) = await Tool.DvisAsync("eval", "--results", $"{folder}/pred", "--truth", folder, "--json",
            _temp.Path("out.json"));
        Assert.True(code == 0, output);
        Assert.Contains("vpq_all:69.9821\nvpq_thing:53.4706\nvpq_stuff:86.4936\nSTQ : 0.60620141010802", output,
            StringComparison.Ordinal);
        using var found = JsonDocument.Parse(await File.ReadAllBytesAsync(_temp.Path("out.json")));
        Assert.Equal(0.4771886721287578, found.RootElement.GetProperty("AQ").GetDouble(), 1e-6);
        Assert.Equal(5, found.RootElement.GetProperty("windows").GetArrayLength());
    }

    [Fact]
    public async Task Semantic_PrintsItsNumbers()
    {
        new SemanticWriter(_temp.Path("gt")).Add("v", "0.png", 2, 2, [1, 1, 2, 0]);
        new SemanticWriter(_temp.Path("out")).Add("v", "0.png", 2, 2, [0, 1, 1, 1]);
        var (code, output) =
            await Tool.DvisAsync("eval", "--results", _temp.Path("out"), "--truth", _temp.Path("gt"), "--classes", "2");
        Assert.Equal((0, "mIoU: 0.500000 (2 classes)\nVC8: NaN\nVC16: NaN\n"), (code, output));
        (code, output) = await Tool.DvisAsync("eval", "--results", _temp.Path("out"), "--truth", _temp.Path("gt"),
            "--classes", "3", "--first-label", "0");
        Assert.Equal((0, "mIoU: 0.083333 (3 classes)\nVC8: NaN\nVC16: NaN\n"), (code, output));
    }

    [Fact]
    public async Task ClassAgnostic_AWrongClassIsRight()
    {
        File.WriteAllText(_temp.Path("gt.json"), SomeVideo.TruthJson);
        File.WriteAllText(_temp.Path("results.json"),
            SomeVideo.ResultsJson.Replace("\"category_id\": 1", "\"category_id\": 2", StringComparison.Ordinal));
        string[] command = ["eval", "--results", _temp.Path("results.json"), "--truth", _temp.Path("gt.json")];
        var (code, output) = await Tool.DvisAsync(command);
        Assert.Equal(0, code);
        Assert.Contains("area=   all | maxDets=100 ] = 0.000\n", output, StringComparison.Ordinal);
        (code, output) = await Tool.DvisAsync([.. command, "--class-agnostic"]);
        Assert.Equal(0, code);
        Assert.Contains("area=   all | maxDets=100 ] = 1.000\n", output, StringComparison.Ordinal);
        Assert.Contains("\n any ", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WrongEntry_IsOneSentence_AndOne()
    {
        File.WriteAllText(_temp.Path("gt.json"), SomeVideo.TruthJson);
        File.WriteAllText(_temp.Path("results.json"),
            SomeVideo.ResultsJson.Replace("\"category_id\": 1", "\"category_id\": 9", StringComparison.Ordinal));
        var (code, output) =
            await Tool.DvisAsync("eval", "--results", _temp.Path("results.json"), "--truth", _temp.Path("gt.json"));
        Assert.Equal(
            (1, $"dvis: {_temp.Path("results.json")}: [0]: category_id: found 9, expected an id of the categories in "
                + $"{_temp.Path("gt.json")}.\n"), (code, output));
    }

    [Fact]
    public async Task FilesWithAByteOrderMark_AreScoredAsWithout()
    {
        var outputs = new List<(int, string)>();
        foreach (var mark in (bool[])[false, true])
        {
            var encoding = new System.Text.UTF8Encoding(mark);
            File.WriteAllText(_temp.Path("gt.json"), SomeVideo.TruthJson, encoding);
            File.WriteAllText(_temp.Path("results.json"), SomeVideo.ResultsJson, encoding);
            outputs.Add(await Tool.DvisAsync(
                "eval", "--results", _temp.Path("results.json"), "--truth", _temp.Path("gt.json")));
        }

        Assert.Equal(0, outputs[0].Item1);
        Assert.Equal(outputs[0], outputs[1]);
    }

    [Theory]
    [InlineData("Option '--truth' is required", "eval", "--results", "/nowhere")]
    [InlineData("--results: '/nowhere' does not exist", "eval", "--results", "/nowhere", "--truth", "/")]
    [InlineData("--truth: '/nowhere' does not exist", "eval", "--results", "/", "--truth", "/nowhere")]
    [InlineData("--data: '/nowhere' does not exist", "eval", "--results", "/", "--data", "/nowhere")]
    [InlineData("--data: '/nowhere' does not exist", "eval", "--model", "/", "--data", "/nowhere")]
    [InlineData("--class-agnostic is for instances only", "eval", "--results", "/", "--truth", "/", "--class-agnostic")]
    [InlineData("--object-score needs a number from 0 to 1", "eval", "--model", "/", "--truth", "/", "--object-score",
        "2")]
    [InlineData("--overlap needs a number from 0 to 1", "eval", "--model", "/", "--truth", "/", "--overlap", "-1")]
    [InlineData("--class-agnostic scores only: it does not go with --out", "eval", "--model", "/", "--truth", "/",
        "--class-agnostic", "--out", "/nowhere")]
    [InlineData("--classes needs an integer from 1 to 255", "eval", "--results", "/", "--truth", "/", "--classes", "0")]
    public async Task WrongArguments_AreTwo(string says, params string[] arguments)
    {
        var (code, output) = await Tool.DvisAsync(arguments);
        Assert.Equal(2, code);
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    public void Dispose() => _temp.Dispose();
}
