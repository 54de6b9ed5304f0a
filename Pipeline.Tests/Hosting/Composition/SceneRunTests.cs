using System.Text.Json;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Masks;
using Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Protos;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

/// <summary>The whole program with a panoptic and a semantic model on a rendered scene,
/// seen by an independent client of a real broker.</summary>
public sealed class SceneRunTests : IDisposable
{
    private const int Messages = 30;

    private readonly ConfigFolder _folder = new();

    [Theory]
    [InlineData("vps", "runs")]
    [InlineData("vps", "png")]
    [InlineData("vss", "runs")]
    [InlineData("vss", "png")]
    public async Task Run_UntilStopped_PublishesSegmentsAndMaps(string task, string map)
    {
        await using var broker = await MosquittoBroker.StartAsync();
        await using var subscriber = await MqttSubscriber.StartAsync(broker);

        await RunAsync(task, map, broker.Port, () => subscriber.WaitAsync("a/segments", Messages));

        await subscriber.WaitTextAsync("dvis/availability", "offline");
        Assert.DoesNotContain(subscriber.Received, m => m.Topic.Contains("/tracks", StringComparison.Ordinal));
        var seen = new HashSet<string>();
        foreach (var message in subscriber.Received)
        {
            Assert.InRange(message.Payload.Length, 0, message.Topic.Contains("/ma", StringComparison.Ordinal)
                ? 2048
                : 4096);
            if (WireSchemas.For(message.Topic) is not { } schema) continue;
            WireSchemas.Valid(schema, message.Payload);
            seen.Add(schema);
        }

        Assert.Equal(["event", "labels", "segments", "segments_final", "state", "status"], seen.Order());
        // started, ended, finalized
        Assert.Equal(task == "vps" ? 3 : 0, subscriber.On("a/events")
            .Count(m => WireSchemas.Valid("event", m.Payload).TryGetProperty("track", out _)));
        Assert.Equal(
            task == "vps" ? ["car", "person"] : [],
            subscriber.Received.Where(m => m.Topic.Contains("/count/", StringComparison.Ordinal))
            .Select(m => m.Topic[(m.Topic.LastIndexOf('/') + 1)..]).Distinct().Order());
        foreach (var (topic, qos, expiry, type) in ((string, int, int, string)[])[
            ("a/segments", 0, 2, "application/json"), ("a/segments/final", 1, 3600, "application/json"),
            ("a/map", 0, 2, "application/vnd.dvis.map+protobuf;v=1"),
                ("a/map/final", 1, 3600, "application/vnd.dvis.map+protobuf;v=1")])
            Assert.All(subscriber.On(topic), m =>
            {
                Assert.Equal((qos, false, type), (m.Qos, m.Retain, m.ContentType));
                // The broker takes off the whole seconds that a QoS 1 message waited for its subscriber.
                Assert.InRange(m.Expiry ?? 0, qos == 0 ? expiry : expiry - 100, expiry);
            });
        var provisional = Whole(subscriber.On("a/segments"));
        Assert.NotEmpty(provisional);
        var ids = new HashSet<long>();
        foreach (var (frame, segments) in provisional) ids.UnionWith(Agree(subscriber, "", frame, segments, task));
        // What was one object or one stuff at the beginning is the same at the end.
        Assert.Equal(task == "vps" ? [TinyScenes.Sky + 1, 65537] : new long[]
            { TinyScenes.Person + 1, TinyScenes.Sky + 1, TinyScenes.Road + 1 }.Intersect(ids), ids.Order());
        Finals(subscriber, task);
        Lines(task);
    }

    public void Dispose() => _folder.Dispose();

    private async Task RunAsync(string task, string map, int port, Func<Task> enough)
    {
        TinyScenes.Write(Path.Combine(_folder.Root, "scenes"), task);
        var config = _folder.Load($$"""
            cameras: { a: { synthetic: { width: 128, height: 96, strip: false } } }
            defaults:
              queue: { policy: wait }
              track: { {{(task == "vps" ? "update_interval: 0s" : "")}} }
              publish: { masks: on, map: {{map}}, mask_grid: 2 }
            model: { path: scenes, refiner: { window: 8, stride: 4, lookahead: 2 } }
            mqtt: { servers: ['mqtt://127.0.0.1:{{port}}'], max_message_bytes: 4096, max_mask_bytes: 2048 }
            sinks: { json_lines: { path: out.jsonl, masks: true, lossless: true } }
            http: { bind: '127.0.0.1:0' }
            """);
        await using var app = StreamingHost.Build(config, null);
        await app.StartAsync();
        await enough();
        await app.StopAsync();
        Assert.Empty(app.Services.GetRequiredService<RunState>().Failures);
        Assert.Contains("segments/#", string.Join('\n', RunBanner.Lines(config, "")), StringComparison.Ordinal);
    }

    /// <summary>Map, masks and records of one frame say the same; gives the segments' numbers.</summary>
    private static IEnumerable<long> Agree(MqttSubscriber subscriber, string suffix, long frame,
        List<JsonElement> segments, string task)
    {
        var (cells, entries, width, height) = Map(subscriber, suffix, frame);
        if (task == "vss") Assert.DoesNotContain(0, cells);
        var masks = subscriber.On($"a/masks{suffix}").Select(m => MaskFrame.Parser.ParseFrom(m.Payload))
            .Where(m => (long)m.FrameId == frame).SelectMany(m => m.Masks).ToList();
        Assert.Equal(segments.Select(Id).Order(), entries.Values.Order());
        Assert.Equal(segments.Select(Id).Order(), masks.Select(m => (long)m.SegmentId).Order());
        foreach (var segment in segments)
        {
            var id = Id(segment);
            var mask = masks.Single(m => (long)m.SegmentId == id);
            var own = cells.Index().Where(c => c.Item > 0 && entries[c.Item] == id).Select(c => c.Index).ToHashSet();
            Assert.Equal(own, Cells(mask, width));
            Assert.Equal(own.Count * 4.0, segment.GetProperty("area_px").GetDouble());
            Assert.Equal(id >= 65536 ? id - 65536 : 0, (long)mask.TrackN);
        }

        Assert.Equal((64, 48), (width, height));
        return segments.Select(Id);
    }

    private static void Finals(MqttSubscriber subscriber, string task)
    {
        long? next = null;
        foreach (var (last, parts) in subscriber.On("a/segments/final")
            .Select(m => WireSchemas.Valid("segments_final", m.Payload))
            .GroupBy(f => f.GetProperty("frame_id").GetInt64()).Select(g => (g.Key, g.ToList())))
        {
            var window = parts[0].GetProperty("window");
            var first = window.GetProperty("first_frame").GetInt64();
            Assert.Equal((next ?? first, last), (first, window.GetProperty("last_frame").GetInt64()));
            next = last + 1;
            // One map for every frame that was processed.
            var frames = subscriber.On("a/map/final").Select(m => (long)MapFrame.Parser.ParseFrom(m.Payload).FrameId)
                .Where(f => f >= first && f <= last).Distinct().ToList();
            Assert.Equal((first, last), (Math.Min(first, frames[0]), frames[^1]));
            Assert.Equal("refined", parts[0].GetProperty("result").GetString());
            var segments = parts.SelectMany(p => p.GetProperty("segments").EnumerateArray()).ToList();
            foreach (var segment in segments)
                Assert.Equal(Id(segment) >= 65536, segment.TryGetProperty("track", out _));
            foreach (var thing in segments.Where(s => Id(s) >= 65536))
                Assert.Equal(("car", TinyScenes.Person),
                    (thing.GetProperty("label").GetString(), thing.GetProperty("provisional_class_id").GetInt32()));
            foreach (var frame in frames)
            {
                // A record of the frame in the shape of a provisional one.
                var records = segments.SelectMany(s => s.GetProperty("frames").EnumerateArray()
                    .Where(o => o.GetProperty("f").GetInt64() == frame && o.GetProperty("visible").GetBoolean())
                    .Select(o =>
                        JsonSerializer.SerializeToElement(
                            new { id = Id(s), area_px = o.GetProperty("area_px").GetDouble() }))).ToList();
                Agree(subscriber, "/final", frame, records, task);
            }
        }

        Assert.NotNull(next);
    }

    /// <summary>The file has what the wire has, maps included.</summary>
    private void Lines(string task)
    {
        var (lines, maps) = (0, 0);
        foreach (var line in File.ReadLines(Path.Combine(_folder.Root, "out.jsonl")))
        {
            using var document = JsonDocument.Parse(line);
            if (!document.RootElement.TryGetProperty("type", out var type)
                || type.GetString() is not ("segments" or "segments_final")) continue;
            var record = WireSchemas.Valid(type.GetString()!,
                System.Text.Encoding.UTF8.GetBytes("{" + line[(line.IndexOf(',') + 1)..]));
            Assert.Equal(task, record.GetProperty("task").GetString());
            lines++;
            foreach (var map in record.TryGetProperty("maps", out var all)
                ? [.. all.EnumerateArray()]
                : (JsonElement[])[record.GetProperty("map")])
            {
                LabelMapReaderTests.Decode([.. map.GetProperty("runs").EnumerateArray().Select(v => v.GetInt32())], 64,
                    48);
                maps++;
            }
        }

        Assert.InRange(maps, lines, int.MaxValue);
        Assert.NotEqual(0, lines);
    }

    private static (int[] Cells, Dictionary<int, long> Entries, int Width, int Height) Map(MqttSubscriber subscriber,
        string suffix, long frame)
    {
        var parts = subscriber.On($"a/map{suffix}").Select(m => MapFrame.Parser.ParseFrom(m.Payload))
            .Where(m => (long)m.FrameId == frame).ToList();
        Assert.Equal(Enumerable.Range(1, parts.Count), parts.Select(p => (int)p.Part));
        Assert.All(parts, p => Assert.Equal(parts.Count, (int)p.Parts));
        var (width, height) = ((int)parts[0].GridW, (int)parts[0].GridH);
        var entries = parts.SelectMany(p => p.Entries).ToDictionary(e => (int)e.Value, e => (long)e.SegmentId);
        if (parts[0].Encoding == MapEncoding.Runs)
            return (LabelMapReaderTests.Decode([.. parts.SelectMany(p => p.Runs).Select(r => (int)r)], width,
                height), entries, width, height);
        var picture = PngReader.Decode([.. parts.SelectMany(p => p.Png.ToByteArray())]);
        Assert.Equal((width, height), (picture.Width, picture.Height));
        foreach (var entry in parts.SelectMany(p => p.Entries).Where(e => e.ClassId == TinyScenes.Sky))
            Assert.Equal([0, 0, 255], picture.Palette!.AsSpan((int)entry.Value * 3, 3).ToArray());
        return ([.. picture.Pixels.Select(p => (int)p)], entries, width, height);
    }

    private static HashSet<int> Cells(Mask mask, int width)
    {
        var cells = new HashSet<int>();
        var at = 0;
        for (var i = 0; i < mask.Runs.Count; i++)
            for (var end = at + (int)mask.Runs[i]; at < end; at++)
                if (i % 2 == 1) cells.Add(((int)mask.Y + at % (int)mask.H) * width + (int)mask.X + at / (int)mask.H);
        return cells;
    }

    /// <summary>The segments of every frame of which all parts have come:
    /// what left before the connection stood is lost.</summary>
    private static Dictionary<long, List<JsonElement>> Whole(IEnumerable<ReceivedMessage> messages)
        => messages.Select(m => WireSchemas.Valid("segments", m.Payload))
            .GroupBy(m => m.GetProperty("frame_id").GetInt64())
            .Where(g => g.Count() == g.First().GetProperty("parts").GetInt32())
            .ToDictionary(g => g.Key, g => g.SelectMany(p => p.GetProperty("segments").EnumerateArray()).ToList());

    private static long Id(JsonElement segment) => segment.GetProperty("id").GetInt64();
}
