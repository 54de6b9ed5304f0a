using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Dvis.Streaming.Hosting.Composition;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using SkiaSharp;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>The whole host without MQTT: a panoptic model, whose refiner corrects a class, rendered cameras.</summary>
internal sealed class PageRig : IAsyncDisposable
{
    public const int Width = 256, Height = 160;

    public const string Scene = "synthetic: { width: 256, height: 160, fps: 25 }";

    private readonly ConfigFolder _folder = new();
    private WebApplication? _app;
    private string _rest = ""; // of the configuration, behind the cameras

    public HttpClient Http { get; } = new() { Timeout = TimeSpan.FromSeconds(90) };

    public string Address => _app!.Urls.First();

    public IServiceProvider Services => _app!.Services;

    public LiveView View => Services.GetRequiredService<LiveView>();

    public CameraBoard Camera(string name) =>
        Services.GetRequiredService<RunState>().Cameras.Single(c => c.Name == name);

    /// <param name="http">Keys of section <c>http</c>.</param>
    /// <param name="cameras">Keys of section <c>cameras</c>; null: two rendered ones, <c>a</c> and <c>b</c>.</param>
    /// <param name="task">Of the model: <c>vps</c>, or <c>vss</c>, which has no tracks.</param>
    /// <param name="port">0: any.</param>
    public async Task StartAsync(
        string http = "", string? cameras = null, Action<IServiceCollection>? adjust = null, string? token = null,
        string task = "vps", int port = 0)
    {
        TinyScenes.Write(Path.Combine(_folder.Root, "scenes"), task);
        if (token is not null) _folder.Write("token", token + "\n");
        _rest = $$"""
            model: { path: scenes, refiner: { window: 8, stride: 4, lookahead: 2 } }
            mqtt: { servers: [] }
            http: { bind: '127.0.0.1:{{port}}'{{(token is null ? "" : ", token_file: token")}}{{http}} }
            """;
        _app = StreamingHost.Build(
            _folder.Load(Yaml(cameras ?? $"a: {{ {Scene} }}, b: {{ {Scene} }}")), null, adjust);
        await _app.StartAsync();
    }

    /// <summary>Changes section <c>cameras</c> while the host runs, and waits until it has taken that over.</summary>
    public Task ReloadAsync(string cameras)
    {
        _folder.Write("config.yaml", Yaml(cameras));
        var state = Services.GetRequiredService<RunState>();
        return Eventually.TrueAsync(() => state.Reload is { Outcome: ReloadOutcome.Applied }, "the change is applied");
    }

    private string Yaml(string cameras) => $$"""
        cameras: { {{cameras}} }
        {{_rest}}
        """;

    public Uri Uri(string path) => new(Address + path);

    public async Task<HttpResponseMessage> GetAsync(string path, string? token = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Uri(path));
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    public async Task<HttpStatusCode> CodeAsync(string path, string? token = null)
    {
        using var response = await GetAsync(path, token);
        return response.StatusCode;
    }

    public async Task<JsonElement> JsonAsync(string path)
    {
        using var document = JsonDocument.Parse(await Http.GetStringAsync(Uri(path)));
        return document.RootElement.Clone();
    }

    /// <summary>Events of the live feed until the caller has seen enough.</summary>
    public async IAsyncEnumerable<(string Name, JsonElement Data)> FeedAsync(string query)
    {
        using var response = await GetAsync("/api/v1/live?" + query);
        Assert.Equal("text/event-stream", response.EnsureSuccessStatusCode().Content.Headers.ContentType!.MediaType);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        while (await reader.ReadLineAsync() is { } line)
        {
            Assert.StartsWith("event: ", line, StringComparison.Ordinal);
            var data = await reader.ReadLineAsync();
            Assert.StartsWith("data: ", data, StringComparison.Ordinal);
            Assert.Equal("", await reader.ReadLineAsync());
            using var document = JsonDocument.Parse(data!["data: ".Length..]);
            yield return (line["event: ".Length..], document.RootElement.Clone());
        }
    }

    /// <summary>Waits until a camera has results of so many more frames.</summary>
    public Task ProcessAsync(string camera, int frames)
    {
        var through = Camera(camera).Counts.Provisional + frames;
        return Eventually.TrueAsync(
            () => Camera(camera).Counts.Provisional >= through, $"{frames} more frames of {camera} are processed");
    }

    public async Task StopAsync()
    {
        if (_app is not null && !Services.GetRequiredService<RunState>().Over) await _app.StopAsync();
    }

    /// <summary>RGB24 of a JPEG.</summary>
    public static (byte[] Rgb, int Width, int Height) Decode(byte[] jpeg)
    {
        using var bitmap = SKBitmap.Decode(jpeg);
        var rgb = bitmap.Pixels.SelectMany(p => new[] { p.Red, p.Green, p.Blue }).ToArray();
        return (rgb, bitmap.Width, bitmap.Height);
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is not null)
        {
            await StopAsync();
            await _app.DisposeAsync();
        }

        Http.Dispose();
        _folder.Dispose();
    }
}
