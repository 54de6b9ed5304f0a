using System.Text.Json;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Service;

/// <summary>The whole host on a configuration that changes;
/// it looks at its files when the test lets time pass.</summary>
internal sealed class ReloadRig : IAsyncDisposable
{
    private readonly HttpClient _http = new(); // one: connections that linger would look like leaked handles
    private readonly ManualTime _looks = new();
    private readonly LogProbe<ConfigReloader> _log = new();
    private WebApplication? _app;

    public ConfigFolder Folder { get; } = new();

    public IServiceProvider Services => _app!.Services;

    public IReadOnlyList<(Microsoft.Extensions.Logging.LogLevel Level, int Id, string Text)> Log => _log.Entries;

    public string Address => _app!.Urls.First();

    public RunState State => Services.GetRequiredService<RunState>();

    /// <summary>The board of a camera that there is.</summary>
    public CameraBoard Camera(string name) => State.Cameras.Single(c => c.Name == name);

    /// <summary>The page as a scraper gets it.</summary>
    public string Metrics
    {
        get
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Address + "/metrics");
            using var response = _http.Send(request);
            using var page = new StreamReader(response.EnsureSuccessStatusCode().Content.ReadAsStream());
            return page.ReadToEnd();
        }
    }

    public async Task StartAsync(string yaml, Action<IServiceCollection>? adjust = null)
    {
        _app = StreamingHost.Build(Folder.Load(yaml), null, services =>
        {
            services.AddSingleton(s => ActivatorUtilities.CreateInstance<ConfigReloader>(s, _looks, _log));
            adjust?.Invoke(services);
        });
        await _app.StartAsync();
    }

    /// <summary>Writes the file and lets time pass until it has been looked at with this outcome.</summary>
    public async Task<ReloadReport> ReloadAsync(string yaml, string outcome)
    {
        // As editors do it: a new file, renamed over the old one.
        Folder.Write("config.yaml.new", yaml);
        File.Move(Path.Combine(Folder.Root, "config.yaml.new"), Path.Combine(Folder.Root, "config.yaml"),
            overwrite: true);
        return await SettleAsync(outcome);
    }

    public async Task<ReloadReport> SettleAsync(string outcome)
    {
        var before = State.Reload;
        await Eventually.TrueAsync(() =>
        {
            Look();
            return State.Reload != before;
        }, "the change is noticed");
        Assert.Equal((outcome, true), (EnumName.Of(State.Reload!.Outcome), State.Reload.Detail.Length > 0));
        return State.Reload;
    }

    public void Look() => _looks.Advance(TimeSpan.FromSeconds(1));

    public async Task<JsonElement> ReadyAsync()
    {
        using var response = await _http.GetAsync(new Uri(Address + "/health/ready"));
        return JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
    }

    public async Task StopAsync()
    {
        if (!State.Over) await _app!.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await StopAsync();
            await _app.DisposeAsync();
        }

        _http.Dispose();
        Folder.Dispose();
    }
}
