using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The page while its server is away.</summary>
public sealed class ReconnectTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Server_GoesAndComesBack_ThePageSaysSo_AndGoesOnByItself()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync();
        await DrawAsync("a", 2);
        var connection = Page.Locator("#connection");
        await Assertions.Expect(connection).ToHaveTextAsync("Connected");
        var port = new Uri(Rig.Address).Port;

        await Rig.StopAsync();
        await Assertions.Expect(connection).ToContainTextAsync("Connection lost");
        await Assertions.Expect(Page.Locator("#outdated")).ToContainTextAsync("All figures are of ");
        await BadgeIsAsync("a", "stalled");

        await using var next = new PageRig();
        await next.StartAsync(cameras: TwoCameras, port: port);
        await Assertions.Expect(connection).ToHaveTextAsync("Connected");
        await Assertions.Expect(Page.Locator("#outdated")).ToBeHiddenAsync();
        foreach (var camera in (string[])["a", "b"])
        {
            await DrawAsync(camera, 2);
            await BadgeIsAsync(camera, "live");
        }
    }
}
