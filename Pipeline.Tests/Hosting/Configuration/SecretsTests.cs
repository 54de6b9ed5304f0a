using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Benchmarks.Soaking;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

/// <summary>
/// Secrets are planted wherever one can stand, everything that can go wrong with them goes wrong, and whatever the
/// program says anywhere is searched for them: logs at their loudest, metrics, health, the page, MQTT as a real broker
/// passes it on, JSON lines, the effective configuration.
/// </summary>
public sealed class SecretsTests : IDisposable
{
    // With characters that URLs, JSON and YAML write differently.
    private const string InUrl = "canary-url%40%C3%A9-1", InYaml = "canary yaml/2#\"ü", InFile = "canary:file@3%41",
        InEnvironment = "canary$env&4", Broker = "canary-broker+5", Token = "canary-token-6-of-enough-length",
        Query = "canary-query-7";

    private readonly ConfigFolder _folder = new();

    private static string[] Forms(string secret) =>
    [
        secret, Uri.UnescapeDataString(secret), Uri.EscapeDataString(secret),
            System.Text.Json.JsonEncodedText.Encode(secret).Value,
        Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)),
            Convert.ToBase64String(Encoding.UTF8.GetBytes("user:" + Uri.UnescapeDataString(secret))),
    ];

    private static readonly string[] Canaries =
        [.. ((string[])[InUrl, InYaml, InFile, InEnvironment, Broker, Token, Query]).SelectMany(Forms).Distinct()];

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task Run_SecretsEverywhere_TellsThemNowhere(string format)
    {
        Assert.SkipUnless(MosquittoBroker.Executable("ffmpeg") is not null, "ffmpeg is not installed.");
        await using var broker = await MosquittoBroker.StartAsync(login: ("user", Broker));
        await using var subscriber = await MqttSubscriber.StartAsync(broker);
        using var camera = new RefusingCamera();
        var http = FreePorts.Next();
        var yaml = Yaml(format, broker.Url, camera.Port, http);
        _folder.Write("cam_pass", InFile + "\n");
        _folder.Write("mqtt_pass", Broker + "\n");
        _folder.Write("http_token", Token + "\n");
        var file = _folder.Write("c.yaml", yaml);

        var said = new ConcurrentQueue<string>();
        using var process = Start("run", "-c", file);
        var reading = Task.WhenAll(ReadAsync(process.StandardOutput, said), ReadAsync(process.StandardError, said));
        var watching = WatchChildrenAsync(process, said);
        try
        {
            await Eventually.TrueAsync(() =>
                camera.Requests.Count(r => r.Contains("Authorization", StringComparison.Ordinal)) >= 3,
                "the cameras were asked with their logins");
            foreach (var name in (string[])["url", "yaml", "file", "env", "query"])
                await Eventually.TrueAsync(() =>
                    subscriber.On($"{name}/state").Any(m => m.Text.Contains("\"offline\"", StringComparison.Ordinal)),
                    $"{name} is offline; said: {string.Join('\n', said)}");
            await subscriber.WaitAsync("works/tracks/final", 2);

            // A reload that fails on lines full of secrets, and one that is refused for them.
            _folder.Write("c.yaml", yaml + $"oops: '{InEnvironment}'\nmqqt: {{ password: 'x{Broker}' }}\n");
            await Eventually.TrueAsync(() =>
                said.Any(l => l.Contains("the old one still holds", StringComparison.Ordinal)), "invalid");
            _folder.Write("c.yaml",
                yaml.Replace("password_file: mqtt_pass", "password: 'new-" + Broker + "'", StringComparison.Ordinal));
            await Eventually.TrueAsync(() => said.Any(l => l.Contains("mqtt.password", StringComparison.Ordinal)),
                "refused");

            foreach (var path in (string[])["/", "/metrics", "/health/live", "/health/ready"])
            {
                said.Enqueue(await GetAsync($"http://127.0.0.1:{http}{path}", null));
                said.Enqueue(await GetAsync($"http://127.0.0.1:{http}{path}", Token));
            }

            said.Enqueue(await File.ReadAllTextAsync($"/proc/{process.Id}/cmdline"));
        }
        finally
        {
            await MosquittoBroker.RunAsync("sh", "-c", $"kill -TERM {process.Id}");
        }

        await process.WaitForExitAsync();
        await reading;
        await watching;
        Assert.Contains(said, l =>
            l.Contains("rtsp://127.0.0.1", StringComparison.Ordinal) && l.Contains("ffmpeg", StringComparison.Ordinal));
        foreach (var arguments in (string[][])[["validate", "-c", file, "--print-effective"],
            ["validate", "-c", file, "--probe"], ["validate", "-c", file, "--set", "http.token=short"]])
        {
            using var again = Start(arguments);
            await Task.WhenAll(ReadAsync(again.StandardOutput, said), ReadAsync(again.StandardError, said));
            await again.WaitForExitAsync();
        }

        said.Enqueue(await File.ReadAllTextAsync(Path.Combine(_folder.Root, "out.jsonl")));
        foreach (var message in subscriber.Received)
            said.Enqueue($"{message.Topic} {message.UserProperties} {message.Text}");

        Assert.Contains(said, l => l.Contains("auth_failed", StringComparison.Ordinal));
        Assert.Contains(said, l => l.Contains("password: \"***\"", StringComparison.Ordinal));
        foreach (var canary in Canaries)
            Assert.True(!said.Any(l => l.Contains(canary, StringComparison.OrdinalIgnoreCase)),
                $"'{canary}' was told: "
                + $"{said.FirstOrDefault(l => l.Contains(canary, StringComparison.OrdinalIgnoreCase))}");
    }

    public void Dispose() => _folder.Dispose();

    private static string Yaml(string format, string broker, int port, int http) => $$"""
        cameras:
          url: { url: 'rtsp://user:{{InUrl}}@127.0.0.1:{{port}}/x' }
          yaml: { url: 'rtsp://127.0.0.1:{{port}}/x', username: user, password: '{{InYaml}}' }
          file: { url: 'rtsp://127.0.0.1:{{port}}/x', username: user, password_file: cam_pass }
          env: { url: 'rtsp://127.0.0.1:{{port}}/x', username: user, password: '${CANARY}' }
          query: { url: 'rtsp://127.0.0.1:{{port}}/x?user=user&password={{Query}}' }
          works: { synthetic: { width: 64, height: 64, fps: 10 } }
        defaults: { rtsp: { backoff: { initial: 200ms, max: 200ms } } }
        mqtt: { servers: ['{{broker}}'], username: user, password_file: mqtt_pass }
        sinks: { json_lines: { path: out.jsonl } }
        http: { bind: '127.0.0.1:{{http}}', token_file: http_token }
        logging: { level: trace, format: {{format}} }

        """;

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "dvis.dll"), .. arguments])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["CANARY"] = InEnvironment;
        return Process.Start(start)!;
    }

    private static async Task ReadAsync(StreamReader lines, ConcurrentQueue<string> said)
    {
        while (await lines.ReadLineAsync() is { } line) said.Enqueue(line);
    }

    /// <summary>What everyone on the machine sees of its decoders.</summary>
    private static async Task WatchChildrenAsync(Process process, ConcurrentQueue<string> said)
    {
        while (!process.HasExited)
        {
            try
            {
                foreach (var child in SoakSample.ChildrenOf(process.Id))
                    said.Enqueue((await File.ReadAllTextAsync($"/proc/{child}/cmdline")).Replace('\0', ' '));
            }
            catch (IOException)
            {
                // One of them has ended meanwhile.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
        }
    }

    private static async Task<string> GetAsync(string url, string? token)
    {
        using var http = new HttpClient();
        if (token is not null) http.DefaultRequestHeaders.Add("Authorization", "Bearer " + token);
        using var response = await http.GetAsync(new Uri(url));
        return response.Headers + await response.Content.ReadAsStringAsync();
    }

    /// <summary>A camera that wants another login, whatever it is.</summary>
    private sealed class RefusingCamera : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly ConcurrentQueue<string> _requests = new();

        public RefusingCamera()
        {
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public IEnumerable<string> Requests => _requests;

        public void Dispose() => _listener.Dispose();

        private async Task AcceptAsync()
        {
            try
            {
                while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync());
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The end of the test.
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            using var _ = client;
            var buffer = new byte[8192];
            try
            {
                while (await client.GetStream().ReadAsync(buffer) is > 0 and var read)
                {
                    var request = Encoding.Latin1.GetString(buffer, 0, read);
                    _requests.Enqueue(request);
                    var sequence = System.Text.RegularExpressions.Regex.Match(request, @"CSeq: (\d+)").Groups[1].Value;
                    var answer = string.Create(CultureInfo.InvariantCulture,
                        $"RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\nWWW-Authenticate: Basic "
                        + $"realm=\"camera\"\r\n\r\n");
                    await client.GetStream().WriteAsync(Encoding.Latin1.GetBytes(answer));
                }
            }
            catch (IOException)
            {
                // The decoder hung up.
            }
        }
    }
}
