using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The page of a host that wants a token.</summary>
public sealed class TokenTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Token = "correct-horse.battery_staple~17";

    private readonly ConcurrentQueue<string> _urls = [];

    [Fact]
    public async Task Token_IsAskedFor_RefusedWhenWrong_AndKeptForTheTabOnly()
    {
        await Rig.StartAsync(cameras: TwoCameras, token: Token);
        await OpenAsync(prepare: page =>
        {
            page.Request += (_, request) => _urls.Enqueue(request.Url);
            return Task.CompletedTask;
        });
        var (dialog, input) = (Page.GetByRole(AriaRole.Dialog), Page.GetByLabel("Token", new() { Exact = true }));
        await Assertions.Expect(dialog).ToContainTextAsync("Token required");
        await Assertions.Expect(input).ToBeFocusedAsync();
        await Assertions.Expect(Page.Locator("article")).ToHaveCountAsync(0);
        await Page.Keyboard.PressAsync("Escape");
        await Assertions.Expect(dialog).ToBeVisibleAsync();

        await EnterAsync(Token + "x");
        await Assertions.Expect(Page.GetByRole(AriaRole.Alert)).ToHaveTextAsync("Wrong token: the server refused it.");
        await Assertions.Expect(Page.Locator("article")).ToHaveCountAsync(0);

        await EnterAsync(Token);
        await Assertions.Expect(dialog).ToBeHiddenAsync();
        await DrawAsync("a", 2);
        await BadgeIsAsync("a", "live");

        await Page.ReloadAsync();
        await DrawAsync("b", 2);
        Assert.All(_urls, url => Assert.DoesNotContain("correct-horse", url, StringComparison.Ordinal));
        Assert.Equal(0, await Page.EvaluateAsync<int>("localStorage.length + document.cookie.length"));
        var other = await Page.Context.NewPageAsync();
        await other.GotoAsync(Rig.Address);
        await Assertions.Expect(other.GetByRole(AriaRole.Dialog)).ToBeVisibleAsync();

        async Task EnterAsync(string token)
        {
            await input.FillAsync(token);
            await Page.Keyboard.PressAsync("Enter");
        }
    }

    [Fact]
    public async Task System_SecretOfTheConfiguration_IsMasked()
    {
        await Rig.StartAsync(cameras: TwoCameras, token: Token);
        await OpenAsync("/#/system");
        await Page.GetByLabel("Token", new() { Exact = true }).FillAsync(Token);
        await Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(Page.GetByLabel("Effective configuration", new() { Exact = true }).Last)
            .ToContainTextAsync("token: \"***\"");
        await Assertions.Expect(Page.GetByLabel("Last lines of the log")).ToContainTextAsync("Camera a");
        Assert.DoesNotContain(Token, await Page.ContentAsync(), StringComparison.Ordinal);
    }
}
