using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Sources.Synthetic;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>The live feed and pictures over HTTP, of cameras that are rendered.</summary>
public sealed class LiveFeedTests : IAsyncDisposable
{
    private readonly PageRig _rig = new();

    [Fact]
    public async Task Feed_ShowsFrames_ThenTheirFinals_WithTheirPictures()
    {
        await _rig.StartAsync();
        var shown = new Dictionary<long, JsonElement>();
        var finals = new List<JsonElement>();
        await foreach (var (name, data) in _rig.FeedAsync("cameras=a&fps=10&final=1"))
        {
            Assert.Equal("a", data.GetProperty(name == "camera" ? "name" : "camera").GetString());
            if (name == "frame")
            {
                var number = data.GetProperty("frame").GetInt64();
                Assert.True(shown.TryAdd(number, data));
                Assert.Equal(number, await StripOfAsync(data.GetProperty("picture").GetString()!));
            }

            if (name == "final")
            {
                Assert.Contains(data.GetProperty("frame").GetInt64(), shown.Keys);
                finals.Add(data);
            }

            if (finals.Count(f => f.GetProperty("tracks").GetArrayLength() > 0) == 3) break;
        }

        Assert.Equal(shown.Keys.Order(), shown.Keys);
        Assert.All(finals, final =>
        {
            var frame = shown[final.GetProperty("frame").GetInt64()];
            Assert.Equal(frame.GetProperty("epoch").GetString(), final.GetProperty("epoch").GetString());
        });
        var revised = finals.Last(f => f.GetProperty("tracks").GetArrayLength() > 0);
        Assert.Equal("refined", revised.GetProperty("kind").GetString());
        var track = revised.GetProperty("tracks")[0];
        Assert.Equal(("class", "person", "car"), (
            track.GetProperty("change").GetString(), track.GetProperty("was").GetString(),
            track.GetProperty("label").GetString()));
        var before = shown[revised.GetProperty("frame").GetInt64()].GetProperty("tracks")[0];
        foreach (var same in (string[])["id", "number", "color"])
            Assert.Equal(before.GetProperty(same).ToString(), track.GetProperty(same).ToString());
        // Not always 1: the refiner's score is higher, which wins cells that were about to go to the road.
        Assert.InRange(track.GetProperty("iou").GetDouble(), 0.99, 1);
        Assert.All(before.GetProperty("polygons").EnumerateArray(), Inside);
        Assert.NotEmpty(before.GetProperty("polygons").EnumerateArray());
        foreach (var frame in (JsonElement[])[shown[revised.GetProperty("frame").GetInt64()], revised])
        {
            var sky = Assert.Single(
                frame.GetProperty("regions").EnumerateArray(), r => r.GetProperty("label").GetString() == "sky");
            Assert.Equal(
                (2, "#0000ff"), (sky.GetProperty("class_id").GetInt32(), sky.GetProperty("color").GetString()));
            Assert.NotEmpty(sky.GetProperty("polygons").EnumerateArray());
            Assert.All(sky.GetProperty("polygons").EnumerateArray(), Inside);
        }
    }

    [Fact]
    public async Task Feed_SeveralCameras_EachHasFramesStateAndEvents()
    {
        await _rig.StartAsync();
        var seen = new HashSet<(string, string)>();
        await foreach (var (name, data) in _rig.FeedAsync("fps=5"))
        {
            Assert.NotEqual("final", name);
            seen.Add((name, data.GetProperty(name == "camera" ? "name" : "camera").GetString()!));
            if (seen.IsSupersetOf([("frame", "a"), ("frame", "b"), ("camera", "a"), ("camera", "b")])) break;
        }
    }

    [Fact]
    public async Task Pictures_AreEncodedOnlyWhileSomebodyLooks_AndFramesReturnToThePool()
    {
        await _rig.StartAsync(cameras: "a: { synthetic: { width: 256, height: 160 } }");
        await _rig.ProcessAsync("a", 20);
        Assert.Equal(0, _rig.View.Encoded);

        var (rgb, width, height) = PageRig.Decode(
            await _rig.Http.GetByteArrayAsync(_rig.Uri("/api/v1/cameras/a/snapshot.jpg")));
        Assert.NotNull(StripReader.Read(rgb, width, height));
        await Eventually.TrueAsync(() => _rig.View.ViewerCount == 0, "the snapshot's viewer is gone");
        await _rig.ProcessAsync("a", 20); // a picture may have been on its way
        var encoded = _rig.View.Encoded;
        Assert.InRange(encoded, 1, long.MaxValue);
        await _rig.ProcessAsync("a", 20);
        Assert.Equal(encoded, _rig.View.Encoded);

        await _rig.StopAsync();
        Assert.Equal(0, _rig.Services.GetRequiredService<FramePool>().Outstanding);
    }

    [Fact]
    public async Task Snapshot_Overlay_DrawsTheTracksOfItsFrame()
    {
        await _rig.StartAsync();
        await Eventually.TrueAsync(() => _rig.Camera("a").Counts.Active > 0, "a track is active");
        var plain = await DecodeAsync("/api/v1/cameras/a/snapshot.jpg");
        var drawn = await DecodeAsync("/api/v1/cameras/a/snapshot.jpg?overlay=1");
        Assert.Equal((PageRig.Width, PageRig.Height), (plain.Width, plain.Height));
        Assert.Equal((PageRig.Width, PageRig.Height), (drawn.Width, drawn.Height));
        var color = Convert.FromHexString((await ColorAsync())[1..]);
        Assert.True(Near(drawn.Rgb, color) > Near(plain.Rgb, color) + 20, "outlines have the colour of the track");
    }

    [Fact]
    public async Task Stream_IsMotionJpeg_OfLargeFramesScaledDown()
    {
        await _rig.StartAsync(cameras: "a: { synthetic: { width: 1280, height: 720, fps: 5 } }");
        using var response = await _rig.GetAsync("/api/v1/cameras/a/live.mjpg");
        Assert.Equal("multipart/x-mixed-replace; boundary=frame",
            response.EnsureSuccessStatusCode().Content.Headers.ContentType!.ToString());
        await using var body = await response.Content.ReadAsStreamAsync();
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal("--frame", await LineAsync(body));
            Assert.Equal("Content-Type: image/jpeg", await LineAsync(body));
            var jpeg = new byte[int.Parse((await LineAsync(body))["Content-Length: ".Length..])];
            Assert.Equal("", await LineAsync(body));
            await body.ReadExactlyAsync(jpeg);
            Assert.Equal("", await LineAsync(body));
            var (_, width, height) = PageRig.Decode(jpeg);
            Assert.Equal((960, 540), (width, height));
        }
    }

    /// <summary>The client's window is full; the camera goes on all the while.</summary>
    [Theory]
    [InlineData("cameras/a/live.mjpg")]
    [InlineData("live?fps=10&final=1")]
    public async Task Viewer_ThatDoesNotRead_IsClosed_AndThePipelineGoesOn(string path)
    {
        await _rig.StartAsync();
        using var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, new Uri(_rig.Address).Port);
        await client.GetStream().WriteAsync(
            Encoding.ASCII.GetBytes($"GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        await Eventually.TrueAsync(() => _rig.View.ViewerCount == 1, "the viewer is there");
        await Eventually.TrueAsync(() => _rig.View.ViewerCount == 0, "the viewer is closed");
        await _rig.ProcessAsync("a", 10);
        Assert.Equal(HttpStatusCode.OK, await _rig.CodeAsync("/metrics"));
    }

    [Fact]
    public async Task Stop_SaysGoodbyeToViewers()
    {
        await _rig.StartAsync();
        var stopping = Task.CompletedTask;
        var last = "";
        await foreach (var (name, _) in _rig.FeedAsync("cameras=a"))
        {
            if (last.Length == 0) stopping = Task.Run(_rig.StopAsync);
            last = name;
        }

        Assert.Equal("bye", last);
        await stopping;
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    private async Task<long?> StripOfAsync(string picture)
    {
        var (rgb, width, height) = await DecodeAsync(picture);
        Assert.Equal((PageRig.Width, PageRig.Height), (width, height));
        return StripReader.Read(rgb, width, height);
    }

    private async Task<(byte[] Rgb, int Width, int Height)> DecodeAsync(string path)
    {
        using var response = await _rig.GetAsync(path);
        Assert.Equal("image/jpeg", response.EnsureSuccessStatusCode().Content.Headers.ContentType!.ToString());
        return PageRig.Decode(await response.Content.ReadAsByteArrayAsync());
    }

    private async Task<string> ColorAsync()
    {
        await foreach (var (name, data) in _rig.FeedAsync("cameras=a"))
            if (name == "frame" && data.GetProperty("tracks") is var tracks && tracks.GetArrayLength() > 0)
                return tracks[0].GetProperty("color").GetString()!;
        throw new InvalidOperationException("The feed has ended.");
    }

    /// <summary>Pixels of about this colour.</summary>
    private static int Near(byte[] rgb, byte[] color) => Enumerable.Range(0, rgb.Length / 3)
        .Count(i => Enumerable.Range(0, 3).All(c => Math.Abs(rgb[3 * i + c] - color[c]) < 40));

    private static void Inside(JsonElement polygon)
    {
        var points = polygon.EnumerateArray().Select(p => p.GetDouble()).Chunk(2).ToList();
        Assert.True(points.Count >= 3);
        Assert.All(points, p => Assert.True(p is [>= 0 and <= PageRig.Width, >= 0 and <= PageRig.Height]));
    }

    private static async Task<string> LineAsync(Stream body)
    {
        var (line, next) = (new StringBuilder(), new byte[1]);
        while (true)
        {
            await body.ReadExactlyAsync(next);
            if (next[0] == '\n') return line.ToString();
            if (next[0] != '\r') line.Append((char)next[0]);
        }
    }
}
