using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The view with a card per camera.</summary>
public sealed class OverviewTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Red = "rgb(179, 38, 30)";

    // Number of the frame on a card's canvas, and colours of its pixels, read in one step.
    private const string ReadCanvas = """
        canvas => {
          const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          const pixels = new Uint32Array(image.data.buffer);
          return {
            frame: Number(canvas.dataset.frame),
            colors: new Set(pixels).size,
            hash: String(pixels.reduce((hash, pixel) => (Math.imul(hash, 31) + pixel) >>> 0, 0)),
          };
        }
        """;

    [Fact]
    public async Task Overview_TwoCameras_BothAreLive_WithTheirFramesTracksAndFigures()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await Assertions.Expect(Page.Locator("main")).ToContainTextAsync("2 of 2 online");
        foreach (var camera in (string[])["a", "b"])
        {
            await BadgeIsAsync(camera, "live");
            var card = Card(camera);
            await Assertions.Expect(card.Locator("canvas")).ToHaveAttributeAsync(
                "aria-label", new Regex($"^Camera {camera}, frame \\d+: person \\d+"));
            await Assertions.Expect(card.Locator(".chip").First).ToHaveTextAsync("online");
            await Assertions.Expect(card.Locator("dd").First).ToHaveTextAsync(
                new Regex(@"^\d+\.\d / (?!0\.0)\d+\.\d fps$"));

            var seen = new List<JsonElement>();
            for (var i = 0; i < 4; i++)
            {
                await DrawAsync(camera, 1);
                seen.Add(await card.Locator("canvas").EvaluateAsync<JsonElement>(ReadCanvas));
            }

            long[] frames = [.. seen.Select(s => s.GetProperty("frame").GetInt64())];
            Assert.Equal(frames.Distinct().Order(), frames);
            // The background of a canvas without its image has one colour.
            Assert.All(seen, s => Assert.True(s.GetProperty("colors").GetInt32() > 50));
            Assert.Distinct(seen.Select(s => s.GetProperty("hash").GetString()));
            await Assertions.Expect(Badge(camera)).ToContainTextAsync(new Regex(@"^Frame \d+ · "));
        }
    }

    /// <summary>
    /// The page's clock stands still and is advanced by the test, so that a slow machine changes nothing; frames come
    /// as fast as they do.
    /// </summary>
    [Fact]
    public async Task Badge_FramesStop_TurnsRedAfterThreeToFiveSeconds_AndLiveAgainWithTheNextFrame()
    {
        var hold = new StallingCamera.Hold();
        await Rig.StartAsync(cameras: TwoCameras, adjust: s => StallingCamera.Use(s, "a", hold));
        await OpenAsync(prepare: page => page.Clock.InstallAsync());
        await BadgeIsAsync("a", "live");
        await BadgeIsAsync("b", "live");
        await Page.Clock.PauseAtAsync(await Page.EvaluateAsync<DateTime>("new Date(Date.now() + 1000)"));
        await DrawAsync("a", 8); // more than the intervals that the badge keeps

        hold.Begin();
        await DrawAsync("b", 8); // meanwhile the last frames of the other one have come
        for (var passed = 500; passed <= 5000; passed += 500)
        {
            await Page.Clock.RunForAsync(500);
            await DrawAsync("b", 1);
            if (passed < 3000) await BadgeIsAsync("a", "live");
        }

        await BadgeIsAsync("a", "stalled");
        await BadgeIsAsync("b", "live");
        var last = await Card("a").Locator("canvas").GetAttributeAsync("data-frame");
        await Assertions.Expect(Badge("a")).ToHaveCSSAsync("background-color", Red);
        await Assertions.Expect(Badge("b")).Not.ToHaveCSSAsync("background-color", Red);
        await Assertions.Expect(Badge("a")).ToContainTextAsync($"Stalled at frame {last} ");
        // To the server the camera is as it was.
        var camera = (await Rig.JsonAsync("/api/v1/cameras")).GetProperty("cameras").EnumerateArray()
            .Single(c => c.GetProperty("name").GetString() == "a");
        Assert.Equal(("online", "running"),
            (camera.GetProperty("state").GetString(), camera.GetProperty("run").GetString()));
        Assert.Equal(long.Parse(last!, CultureInfo.InvariantCulture), long.Parse(
            (await Card("a").Locator("canvas").GetAttributeAsync("data-frame"))!, CultureInfo.InvariantCulture));

        hold.End();
        await BadgeIsAsync("a", "live");
    }

    [Fact]
    public async Task Overview_CameraRemovedByReload_HasNoCardAnyMore_AndTheOtherGoesOn()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await BadgeIsAsync("b", "live");
        await Rig.ReloadAsync(CameraA);
        await Assertions.Expect(Card("b")).ToHaveCountAsync(0);
        await Assertions.Expect(Page.Locator("main")).ToContainTextAsync("1 of 1 online");
        await DrawAsync("a", 3);
        await BadgeIsAsync("a", "live");
    }

    [Fact]
    public async Task ImagesOff_TheCardSaysSo_AndItsMasksGoOn()
    {
        await Rig.StartAsync(cameras: TwoCameras, http: ", images: off");
        var pictures = 0;
        await OpenAsync(prepare: page =>
        {
            page.Request += (_, request) => { if (request.Url.Contains(".jpg")) Interlocked.Increment(ref pictures); };
            return Task.CompletedTask;
        });
        await Assertions.Expect(Card("a").Locator(".picture-note")).ToHaveTextAsync("Images are off");
        await DrawAsync("a", 3);
        await BadgeIsAsync("a", "live");
        await Card("a").Locator("a").ClickAsync();
        await Assertions.Expect(Page.Locator(".live .picture-note")).ToHaveTextAsync("Images are off");
        await Assertions.Expect(Page.Locator("canvas[data-pane=final]")).ToHaveAttributeAsync(
            "aria-label", new Regex("car \\d+"));
        await Assertions.Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Snapshot" })).ToHaveCountAsync(0);
        Assert.Equal(0, pictures);
    }
}
