using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The view with a card per camera.</summary>
public sealed class OverviewTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Red = "rgb(179, 38, 30)";

    [Fact]
    public async Task Overview_TwoCameras_BothAreLive_WithTheirFramesAndTracks()
    {
        await Rig.StartAsync();
        await OpenAsync();
        await Assertions.Expect(Page.Locator("main")).ToContainTextAsync("2 of 2 online");
        foreach (var camera in (string[])["a", "b"])
        {
            await BadgeIsAsync(camera, "live");
            await Assertions.Expect(Card(camera).Locator("canvas")).ToHaveAttributeAsync(
                "aria-label", new System.Text.RegularExpressions.Regex($"^Camera {camera}, frame \\d+: person \\d+"));
            await DrawAsync(camera, 3);
            // The background of a canvas without its image has one colour.
            Assert.True(await Card(camera).Locator("canvas").EvaluateAsync<int>("""
                canvas => new Set(new Uint32Array(canvas.getContext('2d')
                  .getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size
                """) > 50);
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
        await Rig.StartAsync(adjust: s => StallingCamera.Use(s, "a", hold));
        await OpenAsync(prepare: page => page.Clock.InstallAsync());
        await BadgeIsAsync("a", "live");
        await BadgeIsAsync("b", "live");
        await Page.Clock.PauseAtAsync(await Page.EvaluateAsync<DateTime>("new Date(Date.now() + 1000)"));
        await DrawAsync("a", 8); // more than the intervals that the badge keeps

        hold.Begin();
        await DrawAsync("b", 8); // meanwhile the last frames of the other one have come
        var last = await Card("a").Locator("canvas").GetAttributeAsync("data-frame");
        for (var passed = 500; passed <= 5000; passed += 500)
        {
            await Page.Clock.RunForAsync(500);
            await DrawAsync("b", 1);
            if (passed < 3000) await BadgeIsAsync("a", "live");
        }

        await BadgeIsAsync("a", "stalled");
        await BadgeIsAsync("b", "live");
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
        await Rig.StartAsync();
        await OpenAsync();
        await BadgeIsAsync("b", "live");
        await Rig.ReloadAsync("a: { synthetic: { width: 256, height: 160, fps: 25 } }");
        await Assertions.Expect(Card("b")).ToHaveCountAsync(0);
        await Assertions.Expect(Page.Locator("main")).ToContainTextAsync("1 of 1 online");
        await DrawAsync("a", 3);
        await BadgeIsAsync("a", "live");
    }

    [Fact]
    public async Task ImagesOff_TheCardSaysSo_AndItsMasksGoOn()
    {
        await Rig.StartAsync(http: ", images: off");
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
            "aria-label", new System.Text.RegularExpressions.Regex("car \\d+"));
        await Assertions.Expect(Page.GetByRole(AriaRole.Button, new() { Name = "Snapshot" })).ToHaveCountAsync(0);
        Assert.Equal(0, pictures);
    }

    [Fact]
    public async Task Keyboard_TabReachesTheCard_EnterOpensIt_BackReturns()
    {
        await Rig.StartAsync();
        await OpenAsync();
        await BadgeIsAsync("b", "live");
        var reached = new List<string>();
        while (reached.Count < 10 && reached.LastOrDefault() != "b")
        {
            await Page.Keyboard.PressAsync("Tab");
            reached.Add(await Page.EvaluateAsync<string>("document.activeElement.textContent"));
        }

        Assert.Equal(["Skip to content", "Cameras", "System", "a", "b"], reached);
        Assert.Equal("solid", await Page.EvaluateAsync<string>("getComputedStyle(document.activeElement).outlineStyle"));
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("h1")).ToHaveTextAsync("Camera b");
        await Assertions.Expect(Page.Locator("h1")).ToBeFocusedAsync();
        await Page.GoBackAsync();
        await Assertions.Expect(Page.Locator("h1")).ToHaveTextAsync("Cameras");
        await Assertions.Expect(Page.Locator("h1")).ToBeFocusedAsync();
        await DrawAsync("b", 2);
    }
}
