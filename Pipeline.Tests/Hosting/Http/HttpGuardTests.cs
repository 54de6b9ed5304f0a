using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Hosting.Service;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Exporter;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Http;

/// <summary>Who may read what, and what every answer carries.</summary>
public sealed class HttpGuardTests : IAsyncDisposable
{
    private const string Token = "correct-horse.battery_staple~17";
    private const string Open = ConfigFolder.Cameras
        + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0', page: off }\n";
    private const string Guarded = ConfigFolder.Cameras
        + "mqtt: { servers: [] }\nhttp: { bind: '127.0.0.1:0', token_file: token, page: off }\n";

    private readonly ReloadRig _rig = new();
    private readonly HttpClient _http = new();

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer correct-horse.battery_staple~1")]
    [InlineData("Bearer correct-horse.battery_staple~177")]
    [InlineData("Bearer CORRECT-HORSE.BATTERY_STAPLE~17")]
    [InlineData("Basic correct-horse.battery_staple~17")]
    [InlineData(Token)]
    [InlineData("Bearer " + Token + ", Bearer x")]
    public async Task Get_WithoutTheToken_IsRefused_SaveForWhatOrchestratorsAsk(string? authorization)
    {
        await StartAsync(Guarded);
        foreach (var path in (string[])["/metrics", "/", "/nothing", "/health/", "/health/live/x", "/health/ready/",
            "/%6detrics", "//metrics", "/metrics?token=" + Token])
        {
            using var response = await GetAsync(path, authorization);
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized, path);
            Assert.Equal("Bearer realm=\"dvis\"", response.Headers.WwwAuthenticate.ToString());
            Assert.Equal("", await response.Content.ReadAsStringAsync());
        }

        using var live = await GetAsync("/health/live", authorization);
        Assert.Equal((HttpStatusCode.OK, """{"healthy":true,"status":"ok"}"""),
            (live.StatusCode, await live.Content.ReadAsStringAsync()));
        using var ready = await GetAsync("/health/ready", authorization);
        Assert.Equal((HttpStatusCode.OK, """{"healthy":true,"status":"ok"}"""),
            (ready.StatusCode, await ready.Content.ReadAsStringAsync()));
    }

    [Theory]
    [InlineData("Bearer " + Token)]
    [InlineData("bearer  " + Token)]
    public async Task Get_WithTheToken_IsAnswered(string authorization)
    {
        await StartAsync(Guarded);
        foreach (var path in (string[])["/metrics", "/", "/health/live", "/health/ready"])
        {
            using var response = await GetAsync(path, authorization);
            Assert.True(response.StatusCode == HttpStatusCode.OK, path);
        }

        using var ready = await GetAsync("/health/ready", authorization);
        Assert.Contains("\"name\":\"a\"", await ready.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reload_AnotherTokenInTheFile_HoldsAfterHangup_AndTheOldOneNoLonger()
    {
        await StartAsync(Guarded);
        _rig.Folder.Write("token", "another-token-of-enough-length\n");
        _rig.Services.GetRequiredService<ConfigReloader>().Ask();
        Assert.Equal("replaced http.token", (await _rig.SettleAsync("applied")).Detail);
        Assert.Equal(HttpStatusCode.Unauthorized, (await GetAsync("/metrics", "Bearer " + Token)).StatusCode);
        Assert.Equal(HttpStatusCode.OK,
            (await GetAsync("/metrics", "Bearer another-token-of-enough-length")).StatusCode);
    }

    [Theory]
    [InlineData("/metrics", HttpStatusCode.OK)]
    [InlineData("/health/live", HttpStatusCode.OK)]
    [InlineData("/health/ready", HttpStatusCode.OK)]
    [InlineData("/", HttpStatusCode.OK)]
    [InlineData("/nothing", HttpStatusCode.NotFound)]
    public async Task Get_AnyPath_HasTheHeaders_AndNoServer(string path, HttpStatusCode code)
    {
        await StartAsync(Open);
        using var response = await GetAsync(path, null);
        Assert.Equal(code, response.StatusCode);
        AssertHeaders(response);
    }

    [Fact]
    public async Task Send_AnythingButGet_IsRefused_WithTheHeaders()
    {
        await StartAsync(Open);
        foreach (var method in (HttpMethod[])[HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Trace,
            HttpMethod.Options])
        {
            using var request = new HttpRequestMessage(method, Address("/metrics"));
            using var response = await _http.SendAsync(request);
            Assert.Equal(HttpStatusCode.MethodNotAllowed, response.StatusCode);
            AssertHeaders(response);
        }
    }

    [Fact]
    public async Task Scrape_ThatFails_IsFiveHundred_WithTheHeaders_AndTellsNothing()
    {
        // The smallest limit there is, and a page that is larger.
        await StartAsync(Open, services =>
            services.Configure<PrometheusAspNetCoreOptions>(o => o.MaxScrapeResponseSizeBytes = 85_000));
        var metrics = _rig.Services.GetRequiredService<PipelineMetrics>();
        for (var i = 0; i < 100; i++) metrics.Camera($"camera-{i}").Initialize();
        using var response = await GetAsync("/metrics", null);
        Assert.Equal((HttpStatusCode.InternalServerError, ""),
            (response.StatusCode, await response.Content.ReadAsStringAsync()));
        AssertHeaders(response);
    }

    [Theory]
    [InlineData("GET /metrics?{4000} HTTP/1.1\r\nHost: x\r\n\r\n", "414")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {9000}\r\n\r\n", "431")]
    [InlineData("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}\r\n", "431")]
    [InlineData("\u0016\u0003\u0001 hello\r\n\r\n", "400")]
    public async Task Connect_RequestBeyondTheLimits_IsRefused(string request, string code)
    {
        await StartAsync(Open);
        request = request.Replace("{4000}", new string('a', 4000), StringComparison.Ordinal)
            .Replace("{9000}", new string('a', 9000), StringComparison.Ordinal)
            .Replace("{headers}", string.Concat(Enumerable.Range(0, 40).Select(i => $"H{i}: v\r\n")),
                StringComparison.Ordinal);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Address("/").Port);
        await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request));
        using var reader = new StreamReader(client.GetStream());
        Assert.StartsWith($"HTTP/1.1 {code}", await reader.ReadLineAsync(), StringComparison.Ordinal);
    }

    /// <summary>Connections without a request, or with half of one, take the places of each other only.</summary>
    [Fact(Timeout = 120_000)]
    public async Task Connect_BeyondTheLimit_ClosesTheOldest_AndLogsNothing()
    {
        using var log = new LineProvider();
        await StartAsync(Open, services => services.AddSingleton<ILoggerProvider>(log));
        var half = "GET /health/live HTTP/1.1\r\nHost: x\r\n"u8.ToArray();
        var clients = new List<TcpClient>();
        for (var i = 0; i < 1500; i++)
        {
            clients.Add(new TcpClient());
            await clients[^1].ConnectAsync(IPAddress.Loopback, Address("/").Port);
            if (i % 2 == 0) await clients[^1].GetStream().WriteAsync(half);
        }

        using var live = await GetAsync("/health/live", null);
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        // All are accepted by now, in order.
        Assert.Equal(0, await ReadAsync(clients[0]));
        await clients[^2].GetStream().WriteAsync("\r\n"u8.ToArray());
        Assert.Equal(1, await ReadAsync(clients[^2]));
        Assert.NotEmpty(log.Lines);
        Assert.DoesNotContain(log.Lines, l => l.Contains("onnection", StringComparison.Ordinal));
        clients.ForEach(c => c.Dispose());
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _rig.DisposeAsync();
    }

    /// <summary>Every line of the host's log, with its filters.</summary>
    private sealed class LineProvider : ILoggerProvider, ILogger
    {
        private readonly ConcurrentQueue<string> _lines = new();

        public IEnumerable<string> Lines => _lines;

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => _lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }

    private static void AssertHeaders(HttpResponseMessage response)
    {
        foreach (var (name, value) in ((string, string)[])[
            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Cache-Control", "no-store")])
            Assert.Equal(value, response.Headers.GetValues(name).Single());
        Assert.False(response.Headers.Contains("Server"));
    }

    private async Task StartAsync(string yaml, Action<IServiceCollection>? adjust = null)
    {
        _rig.Folder.Write("token", Token + "\n");
        await _rig.StartAsync(yaml, services =>
        {
            ScriptedCamera.Use(services, ScriptedCamera.UntilStoppedAsync);
            adjust?.Invoke(services);
        });
    }

    /// <summary>0: closed.</summary>
    private static async Task<int> ReadAsync(TcpClient client)
    {
        try
        {
            return await client.GetStream().ReadAsync(new byte[1]);
        }
        catch (IOException)
        {
            return 0; // with what it had sent unread
        }
    }

    private Uri Address(string path) => new(_rig.Address + path);

    private async Task<HttpResponseMessage> GetAsync(string path, string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Address(path));
        if (authorization is not null) request.Headers.TryAddWithoutValidation("Authorization", authorization);
        return await _http.SendAsync(request);
    }
}
