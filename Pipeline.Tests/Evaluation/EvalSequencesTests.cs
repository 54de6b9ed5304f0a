using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Decoding;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary><c>dvis eval --davis</c> as a shell sees it, on sequences of four frames of 40x24 pixels.</summary>
public sealed class EvalSequencesTests : IDisposable
{
    private const int Width = 40, Height = 24, Length = 4;

    private readonly TempFolder _folder = new();
    private readonly string _model, _data;

    public EvalSequencesTests()
    {
        _model = TinyDvis.Write(_folder.Path("model"), manifest => manifest["classes"]![0]!["name"] = "car");
        _data = _folder.Path("davis");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Eval_WhatTheServicePublishedIsTheTruth_IsPerfect_AndAQuarterOfItIsNoMatch()
    {
        await WriteImagesAsync("same");
        await WriteImagesAsync("quarter");
        // The first frame has no track yet, because one must be confirmed; then there is one, over the whole frame.
        var tracks = (await ResultsAsync(_model, "same")).Select(r => r.Tracks.SingleOrDefault()).ToArray();
        Assert.Equal([0, Width * Height, Width * Height, Width * Height], tracks.Select(t => t?.AreaPx ?? 0));
        var cars = tracks.Count(t => t?.ClassId == 0) / 3.0;
        WriteMasks("same", t => tracks[t]?.Mask);
        const int part = Width * Height / 4;
        WriteMasks("quarter", _ => RunLengths.FromCounts(Width, Height, [0, part, 3 * part]));
        File.WriteAllText(_folder.Path("classes.txt"), "same vehicle\n");

        var (code, output) = await EvalAsync("--classes", _folder.Path("classes.txt"), "--json", JsonPath);

        Assert.True(code == 0, output);
        var json = Json();
        Assert.Equal(["mean", "sequences"], Keys(json));
        Assert.Equal(["quarter", "same"], json["sequences"]!.AsArray().Select(s => (string)s!["name"]!));
        var (quarter, same) = (json["sequences"]![0]!, json["sequences"]![1]!);
        Assert.Equal(["final", "frames", "name", "provisional"], Keys(same));
        Assert.Equal(Length, (int)same["frames"]!);
        Assert.Equal("1,1,1,0,0.75", Row(same["provisional"]!, "recall", "j", "ids", "switches", "tracks_per_frame"));
        Assert.Equal(cars, (double)same["provisional"]!["class_right"]!, 12);
        var found = quarter["provisional"]!;
        Assert.Equal("0,0.1875,null,0,0", Row(found, "recall", "j", "class_right", "ids", "switches"));
        foreach (var stage in (string[])["provisional", "final"])
        {
            var (one, other, mean) = (same[stage]!, quarter[stage]!, json["mean"]![stage]!);
            Assert.Equal(["class_right", "ids", "j", "recall", "switches", "tracks_per_frame"], Keys(one));
            Assert.Equal(["class_right", "j", "recall", "switches"], Keys(mean));
            Assert.Equal(((double)one["j"]! + (double)other["j"]!) / 2, (double)mean["j"]!, 12);
        }

        Assert.Contains("\nquarter        4  provisional   0.000   0.188            -", output);
        Assert.Contains("2 sequences, 8 frames", output);
    }

    [Fact]
    public async Task Eval_SequencesThatFail_AreASentenceEach_AndTheOthersKeepTheirFigures()
    {
        foreach (var name in (string[])["bad-image", "good", "no-masks", "small", "unreadable"])
        {
            await WriteImagesAsync(name);
            WriteMasks(name, _ => RunLengths.FromCounts(Width, Height, [0, Width * Height]));
        }

        Directory.Delete(Path.Combine(_data, "Annotations/no-masks"), recursive: true);
        File.WriteAllText(Path.Combine(_data, "Annotations/unreadable/2.png"), "no image");
        WriteMasks("small", _ => RunLengths.FromCounts(8, 8, [0, 64]));
        File.WriteAllText(Path.Combine(_data, "JPEGImages/bad-image/1.jpg"), "no image");

        const string names = "unreadable, small,no-masks,nowhere,good,bad-image";
        var (code, output) = await EvalAsync("--sequences", names, "--json", JsonPath);

        Assert.Equal(1, code);
        Assert.Equal(["good"], Json()["sequences"]!.AsArray().Select(s => (string)s!["name"]!));
        Assert.Contains($"dvis: no-masks: the folder {_data}/Annotations/no-masks does not exist.\n", output);
        Assert.Contains($"dvis: nowhere: the folder {_data}/JPEGImages/nowhere does not exist.\n", output);
        Assert.Contains($"dvis: small: {_data}/JPEGImages/small/0.jpg has 40x24 pixels, its annotation 8x8.\n", output);
        Assert.Contains($"dvis: unreadable: {_data}/Annotations/unreadable/2.png: the picture cannot be read", output);
        Assert.Contains("dvis: bad-image: ", output);
        Assert.Contains("1 sequence, 4 frames", output);
    }

    [Theory]
    [InlineData("--davis: the folder '/nowhere' does not exist", "--davis", "/nowhere")]
    [InlineData("--mode: --davis runs the service's pipeline in one mode", "--mode", "offline")]
    [InlineData("--mode: --davis runs the service's pipeline in one mode", "--mode", "online", "semi-online")]
    [InlineData("--truth does not go with --davis", "--truth", "x.json")]
    [InlineData("--results does not go with --davis", "--results", "x.json")]
    [InlineData("--top-k does not go with --davis", "--top-k", "3")]
    [InlineData("--sequences names no sequence", "--sequences", ",")]
    [InlineData("--classes: '/nowhere' cannot be read", "--classes", "/nowhere")]
    public async Task Eval_WrongUse_SaysWhatIsWrongAndIsTwo(string says, params string[] arguments)
    {
        CreateFolders("a");

        var (code, output) = arguments[0] == "--davis"
            ? await Tool.DvisAsync(["eval", .. arguments])
            : await EvalAsync(arguments);

        Assert.Equal(2, code);
        Assert.Contains(says, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Eval_BadLinesOfClasses_AreNamedWithFileAndLine()
    {
        CreateFolders("a");
        var file = _folder.Path("classes.txt");
        File.WriteAllText(file, "a person\nb\nc car\n");

        var (code, output) = await EvalAsync("--classes", file);

        Assert.Equal(2, code);
        Assert.Equal(
            $"dvis: {file}:2: found 'b', expected a sequence and its classes, as in 'bmx-trees person,vehicle'\n"
            + $"dvis: {file}:3: found the class 'car', expected person, vehicle or animal\n",
            output);
    }

    [Fact]
    public async Task Eval_SequencesWithoutDavis_IsTwo()
    {
        var (code, output) = await Tool.DvisAsync("eval", "--results", "/", "--truth", "/", "--sequences", "a");

        Assert.Equal(2, code);
        Assert.Contains("--sequences goes with --davis only", output, StringComparison.Ordinal);
    }

    /// <summary>Eight frames of a real sequence with the default model, which is found without being named.</summary>
    [Fact]
    public async Task Eval_RealSequence_GivesTheIoUOfEachPixelCounted()
    {
        var real = Shared.Path("data/sequences/davis");
        const int frames = 8;
        CreateFolders("car-shadow");
        for (var t = 0; t < frames; t++)
        {
            string[] files = [$"JPEGImages/car-shadow/{t:00000}.jpg", $"Annotations/car-shadow/{t:00000}.png"];
            foreach (var file in files) File.CreateSymbolicLink(Path.Combine(_data, file), Path.Combine(real, file));
        }

        var (code, output) = await Tool.DvisAsync("eval", "--davis", _data, "--threads", "1", "--json", JsonPath);

        Assert.True(code == 0, output);
        var results = await ResultsAsync(Repo.Path("Models/default"), "car-shadow");
        Assert.Equal(frames, results.Length);
        double[] ious =
            [.. results.Select((r, t) => r.Tracks.Select(track => PixelIoU(track.Mask!, t)).DefaultIfEmpty().Max())];
        var sequence = Assert.Single(Json()["sequences"]!.AsArray())!;
        var found = sequence["provisional"]!;
        Assert.Equal(frames, (int)sequence["frames"]!);
        Assert.Equal(ious.Average(), (double)found["j"]!, 12);
        Assert.Equal(ious.Average(iou => iou >= 0.5 ? 1.0 : 0), (double)found["recall"]!, 12);
        Assert.Equal(results.Average(r => r.Tracks.Length), (double)found["tracks_per_frame"]!, 12);
    }

    private Task<(int Code, string Output)> EvalAsync(params string[] arguments)
        => Tool.DvisAsync(["eval", "--davis", _data, "--model", _model, "--threads", "1", .. arguments]);

    private string JsonPath => _folder.Path("out.json");

    private JsonNode Json() => JsonNode.Parse(File.ReadAllText(JsonPath))!;

    private static IEnumerable<string> Keys(JsonNode node)
        => node.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal);

    private static string Row(JsonNode figures, params string[] names)
        => string.Join(',', names.Select(n => figures[n]?.ToJsonString() ?? "null"));

    private void CreateFolders(string name)
    {
        Directory.CreateDirectory(Path.Combine(_data, "JPEGImages", name));
        Directory.CreateDirectory(Path.Combine(_data, "Annotations", name));
    }

    private async Task WriteImagesAsync(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_data, "JPEGImages", name)).FullName;
        await Clips.RunAsync(
            "-f", "lavfi", "-i", $"testsrc=size={Width}x{Height}:rate=25", "-frames:v", $"{Length}",
            "-start_number", "0", "-q:v", "2", $"{folder}/%d.jpg");
    }

    private void WriteMasks(string name, Func<int, RunLengthMask?> mask)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_data, "Annotations", name)).FullName;
        for (var t = 0; t < Length; t++)
        {
            var map = mask(t) is { } runs ? Bitmap.Decode(runs) : new Bitmap(Width, Height);
            var pixels = new byte[map.Width * map.Height];
            for (var i = 0; i < pixels.Length; i++) pixels[i] = map[i % map.Width, i / map.Width] ? (byte)255 : (byte)0;
            PngWriter.Write($"{folder}/{t}.png", new PngImage(map.Width, map.Height, 1, pixels));
        }
    }

    private async Task<ProvisionalResult[]> ResultsAsync(string model, string name)
    {
        using var models = ModelGraphs.Load(new ModelOptions { Path = model }, TinyDvis.Runtime, NullLogger.Instance);
        await using var rig = new PipelineRig(models, TimeProvider.System);
        rig.Camera.Publish.MaskGrid = 1;
        string[] images = [.. Directory.GetFiles($"{_data}/JPEGImages/{name}").Order(StringComparer.Ordinal)];
        await rig.RunAsync(
            new ImageListSource(name, images, "ffmpeg", rig.Frames, TimeProvider.System, exactColours: false));
        return rig.Published.Provisionals;
    }

    /// <summary>Counted pixel by pixel.</summary>
    private double PixelIoU(RunLengthMask mask, int frame)
    {
        var truth = PngReader.Decode(File.ReadAllBytes($"{_data}/Annotations/car-shadow/{frame:00000}.png"));
        var map = Bitmap.Decode(mask);
        Assert.Equal((truth.Width, truth.Height), (map.Width, map.Height));
        var (both, any) = (0, 0);
        for (var i = 0; i < truth.Pixels.Length; i++)
        {
            var (wanted, found) = (truth.Pixels[i] != 0, map[i % map.Width, i / map.Width]);
            if (wanted && found) both++;
            if (wanted || found) any++;
        }

        return (double)both / any;
    }
}
