using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>Debian's Chromium, started once for all tests of <see cref="BrowserCollection"/>.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private readonly string? _program = MosquittoBroker.Executable("chromium");
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        if (_program is null) return;
        // The limit only ends a test that has failed.
        Assertions.SetDefaultExpectTimeout(90_000);
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = _program,
            // The sandbox does not start as root, nor in most containers; only pages of the test's own host are opened.
            Args = ["--no-sandbox", "--disable-dev-shm-usage"],
        });
    }

    /// <summary>A new profile, without anything of the tests before. Without Chromium the test is skipped.</summary>
    public Task<IBrowserContext> OpenAsync(BrowserNewContextOptions? options)
    {
        Require();
        return _browser!.NewContextAsync(options);
    }

    public void Require() => Assert.SkipUnless(_program is not null, "chromium is not installed.");

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}

/// <summary>Tests that share one browser; they run one after another.</summary>
[CollectionDefinition(nameof(BrowserCollection))]
public sealed class BrowserCollection : ICollectionFixture<Chromium>;
