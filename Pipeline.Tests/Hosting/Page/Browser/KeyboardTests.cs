using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The page without a mouse: each control is reached by Tab, shows that it has the focus, and works.</summary>
public sealed class KeyboardTests(Chromium chromium) : BrowserTest(chromium)
{
    // Name of the element that has the focus, and whether an outline shows that.
    private const string ReadFocus = """
        () => {
          const element = document.activeElement;
          const { outlineStyle, outlineWidth } = getComputedStyle(element);
          return {
            name: element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent.trim() ?? element.textContent,
            isVisible: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2,
          };
        }
        """;

    [Fact]
    public async Task Overview_TabReachesTheCards_EnterOpensACamera_BackReturns()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await BadgeIsAsync("b", "live");
        await TabThroughAsync("Skip to content", "Cameras", "System", "a", "b");
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("h1")).ToHaveTextAsync("Camera b");
        await Assertions.Expect(Page.Locator("h1")).ToBeFocusedAsync();
        await Page.GoBackAsync();
        await Assertions.Expect(Page.Locator("h1")).ToHaveTextAsync("Cameras");
        await Assertions.Expect(Page.Locator("h1")).ToBeFocusedAsync();
        await DrawAsync("b", 2);
    }

    [Fact]
    public async Task CameraView_TabReachesItsControls_SpaceHoldsThePanes_AndSavesASnapshot()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync("/#/camera/a");
        var pane = Page.Locator("canvas[data-pane=final][data-frame]");
        await Assertions.Expect(pane).ToBeVisibleAsync();
        await TabThroughAsync(
            "Skip to content", "Cameras", "System", "Pause the panes", "Save snapshot", "with masks",
            "List of tracks", "Last 100 events");

        var pause = Page.GetByRole(AriaRole.Button, new() { Name = "Pause the panes" });
        await pause.FocusAsync();
        await Page.Keyboard.PressAsync("Space");
        await Assertions.Expect(pause).ToHaveAttributeAsync("aria-pressed", "true");
        await Page.Keyboard.PressAsync("Space");
        await Assertions.Expect(pause).ToHaveAttributeAsync("aria-pressed", "false");
        await Page.Keyboard.PressAsync("Tab");
        var download = await Page.RunAndWaitForDownloadAsync(() => Page.Keyboard.PressAsync("Enter"));
        Assert.Matches("^a-.*\\.jpg$", download.SuggestedFilename);
        var (_, width, height) = PageRig.Decode(await File.ReadAllBytesAsync(await download.PathAsync()));
        Assert.Equal((PageRig.Width, PageRig.Height), (width, height));
    }

    [Fact]
    public async Task SkipLink_Enter_GoesBehindTheHeader()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await BadgeIsAsync("b", "live");
        await TabThroughAsync("Skip to content");
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.Locator("main")).ToBeFocusedAsync();
        await TabThroughAsync("a", "b");
    }

    /// <summary>Presses Tab once per name and compares what it reaches.</summary>
    private async Task TabThroughAsync(params string[] names)
    {
        foreach (var name in names)
        {
            await Page.Keyboard.PressAsync("Tab");
            var focus = await Page.EvaluateAsync<Focus>(ReadFocus);
            Assert.Equal((name, true), (focus.Name, focus.IsVisible));
        }
    }

    private sealed class Focus
    {
        public string Name { get; set; } = "";

        public bool IsVisible { get; set; }
    }
}
