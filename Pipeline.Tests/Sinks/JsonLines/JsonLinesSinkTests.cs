using System.Text.Json;
using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.JsonLines;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.JsonLines;

public sealed class JsonLinesSinkTests : IDisposable
{
    private static readonly TimeProvider Time = TimeProvider.System;
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task PublishAsync_EveryMessage_IsALineValidByItsSchema()
    {
        await using (var sink = Sink(o => o.Masks = true))
        {
            await sink.StartAsync(default);
            await sink.PublishAsync(SomeResult.Status(Time), default);
            await sink.PublishAsync(SomeResult.Event(Time, EventKind.TrackEnded, summary: true), default);
            await sink.PublishAsync(SomeResult.Provisional(Time, 7, SomeResult.Track()), default);
            await sink.PublishAsync(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), default);
            await sink.FlushAsync(default);
        }

        var lines = await File.ReadAllLinesAsync(_folder.Path("out.jsonl"));
        Assert.Equal(["state", "io.dvis.track.ended", "tracks", "final"],
            lines.Select(l => (string?)JsonNode.Parse(l)!["type"]));
        WireSchemas.Valid("state", WithoutType(lines[0]));
        WireSchemas.Valid("cloudevent", System.Text.Encoding.UTF8.GetBytes(lines[1]));
        var mask = WireSchemas.Valid("tracks", WithoutType(lines[2])).GetProperty("tracks")[0].GetProperty("mask");
        Assert.Equal([90, 160], mask.GetProperty("size").EnumerateArray().Select(v => v.GetInt32()));
        Assert.Equal(SomeResult.Mask().Counts, mask.GetProperty("counts").EnumerateArray().Select(v => v.GetInt32()));
        WireSchemas.Valid("final", WithoutType(lines[3]));
    }

    [Fact]
    public async Task PublishAsync_CameraRemovedAndAddedAgain_CountsOnInTheSession()
    {
        await using var sink = Sink(o => o.FlushInterval = TimeSpan.Zero);
        await sink.StartAsync(default);
        var front = SomeResult.Context().Cameras;
        await sink.PublishAsync(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), default);
        await sink.PublishAsync(new CamerasChanged([], "HASH2"), default);
        await sink.PublishAsync(new CamerasChanged([.. front], "HASH3"), default);
        await sink.PublishAsync(SomeResult.Final(Time, 6, 8, SomeResult.FinalTrack()), default);
        Assert.Equal([1, 2], (await ReadOpenAsync()).Select(l => (int)JsonNode.Parse(l)!["seq"]!));
    }

    [Fact]
    public async Task PublishAsync_ManyTracks_StayInOneLine()
    {
        await using var sink = Sink(o => o.FlushInterval = TimeSpan.Zero);
        await sink.StartAsync(default);
        await sink.PublishAsync(
            SomeResult.Provisional(Time, 7, [.. Enumerable.Range(1, 500).Select(n => SomeResult.Track(n))]), default);
        var line = JsonNode.Parse(Assert.Single(await ReadOpenAsync()))!;
        Assert.Equal((1, 500), ((int)line["parts"]!, line["tracks"]!.AsArray().Count));
    }

    [Fact]
    public async Task PublishAsync_FileReachesItsSize_RotatesAndKeepsSoMany()
    {
        await using (var sink = Sink(o => (o.MaxBytes, o.Keep) = (4000, 2)))
        {
            await sink.StartAsync(default);
            for (var i = 0; i < 40; i++)
                await sink.PublishAsync(SomeResult.Provisional(Time, i, SomeResult.Track()), default);
        }

        Assert.Equal(["out.jsonl", "out.jsonl.1", "out.jsonl.2"], Directory.GetFiles(_folder.Root)
            .Select(Path.GetFileName).Order());
        Assert.All(Directory.GetFiles(_folder.Root), f => Assert.InRange(new FileInfo(f).Length, 1, 4000));
        var ids = new[] { "out.jsonl.2", "out.jsonl.1", "out.jsonl" }.SelectMany(f =>
            File.ReadAllLines(_folder.Path(f))).Select(l => (int)JsonNode.Parse(l)!["frame_id"]!).ToList();
        Assert.Equal(Enumerable.Range(40 - ids.Count, ids.Count), ids);
    }

    [Theory]
    [InlineData(0, 2)]
    [InlineData(-1, 1)]
    public async Task PublishAsync_LinesOfJustTheSize_StayInOneFile(int more, int lines)
    {
        var time = new ManualTime();
        var size = await WriteAsync(0);
        File.Delete(_folder.Path("out.jsonl"));

        await WriteAsync(size + more);

        Assert.Equal(lines, (await File.ReadAllLinesAsync(_folder.Path("out.jsonl"))).Length);

        async Task<long> WriteAsync(long maxBytes)
        {
            await using (var sink = Sink(o => o.MaxBytes = maxBytes, time))
            {
                await sink.StartAsync(default);
                for (var i = 1; i <= 2; i++) await sink.PublishAsync(SomeResult.Provisional(time, i), default);
            }

            return new FileInfo(_folder.Path("out.jsonl")).Length;
        }
    }

    [Fact]
    public async Task StartAsync_ExistingFile_AppendsAfterAHalfLine()
    {
        await File.WriteAllTextAsync(_folder.Path("out.jsonl"), "{\"type\":\"tr");
        await using (var sink = Sink())
        {
            await sink.StartAsync(default);
            await sink.PublishAsync(SomeResult.Status(Time), default);
        }

        var lines = await File.ReadAllLinesAsync(_folder.Path("out.jsonl"));
        Assert.Equal(2, lines.Length);
        JsonDocument.Parse(lines[1]).Dispose();
    }

    [Fact]
    public async Task StartAsync_FolderMissing_Throws()
    {
        await using var sink = Sink(o => o.Path = _folder.Path("nowhere/out.jsonl"));
        await Assert.ThrowsAsync<DirectoryNotFoundException>(() => sink.StartAsync(default));
    }

    [Fact]
    public async Task FlushAsync_DiskFull_Throws()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "no /dev/full");
        await using var sink = Sink(o => o.Path = "/dev/full");
        await sink.StartAsync(default);
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            for (var i = 0; i < 500; i++)
                await sink.PublishAsync(SomeResult.Provisional(Time, i, SomeResult.Track()), default);
        });
    }

    private JsonLinesSink Sink(Action<JsonLinesOptions>? change = null, TimeProvider? time = null)
    {
        var options = new JsonLinesOptions { Path = _folder.Path("out.jsonl") };
        change?.Invoke(options);
        return new(options, SomeResult.Context(), time ?? Time);
    }

    private async Task<string[]> ReadOpenAsync()
    {
        await using var file =
            new FileStream(_folder.Path("out.jsonl"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return (await reader.ReadToEndAsync()).TrimEnd('\n').Split('\n');
    }

    private static byte[] WithoutType(string line)
    {
        var node = JsonNode.Parse(line)!.AsObject();
        node.Remove("type");
        return System.Text.Encoding.UTF8.GetBytes(node.ToJsonString());
    }
}
