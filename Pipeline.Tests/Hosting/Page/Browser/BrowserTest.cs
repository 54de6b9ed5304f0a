using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>Test of the live page in a browser, of the whole host with rendered cameras.</summary>
[Collection(nameof(BrowserCollection))]
public abstract class BrowserTest : IAsyncLifetime
{
    /// <summary>Key of a rendered camera. The page requests five frames per second; more only cost time.</summary>
    private protected const string CameraA = "a: { synthetic: { width: 256, height: 160, fps: 10 } }";

    private protected const string TwoCameras = CameraA + ", b: { synthetic: { width: 256, height: 160, fps: 10 } }";

    private readonly Chromium _chromium;
    private readonly ConcurrentQueue<string> _errors = [];
    private IBrowserContext? _context;

    private protected BrowserTest(Chromium chromium) => _chromium = chromium;

    private protected PageRig Rig { get; } = new();

    private protected IPage Page { get; private set; } = null!;

    public ValueTask InitializeAsync()
    {
        _chromium.Require();
        return ValueTask.CompletedTask;
    }

    /// <summary>Opens the page of the host in a tab of a new profile.</summary>
    /// <param name="path">Address behind the host's: <c>/#/camera/a</c>.</param>
    /// <param name="prepare">Called with the empty tab.</param>
    private protected async Task OpenAsync(
        string path = "/", BrowserNewContextOptions? options = null, Func<IPage, Task>? prepare = null)
    {
        if (_context is not null) await _context.DisposeAsync();
        _context = await _chromium.OpenAsync(options);
        Page = await _context.NewPageAsync();
        Page.PageError += (_, error) => _errors.Enqueue(error);
        // A refused request is an error of the console as well, and some tests want one.
        Page.Console += (_, message) =>
        {
            if (message.Text.Contains("Content Security Policy", StringComparison.Ordinal))
                _errors.Enqueue(message.Text);
        };
        if (prepare is not null) await prepare(Page);
        await Page.GotoAsync(Rig.Address + path);
    }

    private protected ILocator Card(string camera) => Page.Locator($"article[data-camera='{camera}']");

    private protected ILocator Badge(string camera) => Card(camera).Locator(".badge");

    /// <summary>Waits until the badge of a card is in a state: <c>live</c>, <c>stalled</c>, <c>still</c>.</summary>
    private protected Task BadgeIsAsync(string camera, string state) =>
        Assertions.Expect(Badge(camera)).ToHaveAttributeAsync("data-state", state);

    /// <summary>Waits until the card of a camera has drawn so many more frames.</summary>
    private protected async Task DrawAsync(string camera, int frames)
    {
        var canvas = Card(camera).Locator("canvas");
        for (var i = 0; i < frames; i++)
        {
            var last = await canvas.GetAttributeAsync("data-frame") ?? "";
            await Assertions.Expect(canvas).Not.ToHaveAttributeAsync("data-frame", last);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_context is not null) await _context.DisposeAsync();
        await Rig.DisposeAsync();
        Assert.Empty(_errors);
        GC.SuppressFinalize(this);
    }
}
