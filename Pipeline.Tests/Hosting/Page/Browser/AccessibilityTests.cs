using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>axe-core over each view, light, dark, and as wide as a phone: no serious or critical finding.</summary>
public sealed class AccessibilityTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Token = "correct-horse.battery_staple~17";

    private static readonly (ColorScheme Scheme, int Width, int Height)[] s_screens =
        [(ColorScheme.Light, 1280, 900), (ColorScheme.Dark, 1280, 900), (ColorScheme.Dark, 375, 700)];

    [Theory]
    [InlineData("/", "article .badge[data-state=live]")]
    [InlineData("/#/camera/a", "canvas[data-pane=final][data-frame]")]
    [InlineData("/#/system", "dd:text('scenes')")]
    public async Task View_HasNoSeriousFinding(string path, string shown)
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync(path);
        await CheckAsync(shown);
    }

    [Fact]
    public async Task TokenDialogue_HasNoSeriousFinding()
    {
        await Rig.StartAsync(cameras: TwoCameras, token: Token);
        await OpenAsync();
        await Page.GetByLabel("Token", new() { Exact = true }).FillAsync("wrong");
        await Page.Keyboard.PressAsync("Enter");
        await CheckAsync("dialog [role=alert]:text('Wrong token')");
    }

    [Fact]
    public async Task StalledAndLost_HaveNoSeriousFinding()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await BadgeIsAsync("a", "live");
        await Rig.StopAsync();
        await Assertions.Expect(Page.Locator("#connection")).ToHaveAttributeAsync("data-state", "lost");
        await CheckAsync("article .badge[data-state=stalled]");
    }

    private async Task CheckAsync(string shown)
    {
        foreach (var (scheme, width, height) in s_screens)
        {
            await Page.EmulateMediaAsync(new() { ColorScheme = scheme });
            await Page.SetViewportSizeAsync(width, height);
            await Assertions.Expect(Page.Locator(shown).First).ToBeVisibleAsync();
            var w = System.Diagnostics.Stopwatch.StartNew(); var result = await Page.RunAxe(); Console.WriteLine($"AXE {w.ElapsedMilliseconds}");
            Assert.NotEmpty(result.Passes);
            var findings = result.Violations.Where(v => v.Impact is "serious" or "critical")
                .Select(v => $"{v.Id}: {v.Help}: {string.Join("; ", v.Nodes.Select(n => n.Html))}");
            Assert.Equal([], findings.Select(f => $"{scheme} {width}: {f}"));
            Assert.True(await Page.EvaluateAsync<bool>(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
                $"nothing is wider than {width} pixels");
        }
    }
}
