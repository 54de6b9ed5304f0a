using System.Text.Json;
using Deque.AxeCore.Commons;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>axe-core over each view, light, dark, and as wide as a phone: no serious or critical finding.</summary>
public sealed class AccessibilityTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Token = "correct-horse.battery_staple~17";

    // Injected once per page: axe-core has half a megabyte.
    private const string RunAxe = """
        async script => {
          if (!window.axe) (0, eval)(script);
          const { passes, violations } = await axe.run({ resultTypes: ['violations'] });
          const findings = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
            .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(node => node.html).join('; ')}`);
          return { passes: passes.length, findings };
        }
        """;

    private static readonly string s_axe = new BundledAxeScriptProvider().GetScript();

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
            var result = await Page.EvaluateAsync<JsonElement>(RunAxe, s_axe);
            Assert.NotEqual(0, result.GetProperty("passes").GetInt32());
            var findings = result.GetProperty("findings").EnumerateArray().Select(f => f.GetString());
            Assert.Equal([], findings.Select(f => $"{scheme} {width}: {f}"));
            Assert.True(await Page.EvaluateAsync<bool>(
                "document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
                $"nothing is wider than {width} pixels");
        }
    }
}
