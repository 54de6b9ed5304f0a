using System.Diagnostics;
using System.Text.Json;
using Dvis.Streaming.Benchmarks.Soaking;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// Processor time of the daemon, as its own process, while one and while several viewers have a camera's view open.
/// A viewer requests what the page does: the live feed with finals, the image of each frame, cameras and tracks.
/// </summary>
internal sealed class Viewers : IAsyncDisposable
{
    private const int Fps = 5;
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("dvis-viewers-").FullName;
    private readonly HttpClient _http;
    private readonly Process _daemon;
    private int _images;

    /// <param name="model">Model folder.</param>
    /// <param name="size">Width and height of the rendered camera, which gives ten frames per second.</param>
    public Viewers(string model, (int Width, int Height) size)
    {
        var port = Soak.FreePort();
        _http = new() { BaseAddress = new($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromMinutes(1) };
        var config = Path.Combine(_folder, "config.yaml");
        File.WriteAllText(config, $$"""
            version: 1
            node: { id: viewers }
            model: { path: "{{Path.GetFullPath(model)}}" }
            mqtt: { servers: [] }
            http: { bind: "127.0.0.1:{{port}}" }
            logging: { level: warning }
            cameras: { a: { synthetic: { width: {{size.Width}}, height: {{size.Height}}, fps: 10 } } }
            """);
        _daemon = Process.Start(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "dvis.dll"), "run", "-c", config, "--quiet"]);
    }

    /// <summary>Measures each count of viewers in turn and prints cores, results and images of each round.</summary>
    public async Task RunAsync(int[] counts, TimeSpan length, int rounds)
    {
        await StartedAsync();
        var cores = counts.Distinct().ToDictionary(count => count, _ => new List<double>());
        for (var round = 0; round < rounds; round++)
            foreach (var (count, figures) in cores)
                figures.Add(await MeasureAsync(count, length));
        foreach (var (count, figures) in cores)
        {
            var median = figures.Order().ElementAt(figures.Count / 2);
            Console.WriteLine($"{count,2} viewers: median {median:0.000} of a core");
        }
    }

    private async Task<double> MeasureAsync(int count, TimeSpan length)
    {
        using var stop = new CancellationTokenSource();
        var viewers = Enumerable.Range(0, count).Select(_ => WatchAsync(stop.Token)).ToList();
        await Task.Delay(2 * s_pause, TimeProvider.System, CancellationToken.None); // all viewers are there
        var (time, images, clock) = (Time(), _images, Stopwatch.StartNew());
        await Task.Delay(length, TimeProvider.System, CancellationToken.None);
        var seconds = clock.Elapsed.TotalSeconds;
        var cores = (Time() - time).TotalSeconds / seconds;
        Console.WriteLine($"{count,2} viewers: {cores:0.000} of a core, "
            + $"{await RateAsync():0.0} results/s, {(_images - images) / seconds:0.0} images/s");
        await stop.CancelAsync();
        foreach (var viewer in viewers) await viewer.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return cores;
    }

    private async Task WatchAsync(CancellationToken stop)
    {
        await using var body = await _http.GetStreamAsync($"/api/v1/live?cameras=a&fps={Fps}&final=1", stop);
        using var lines = new StreamReader(body);
        var states = 0;
        while (await lines.ReadLineAsync(stop) is { } name)
        {
            var data = await lines.ReadLineAsync(stop);
            await lines.ReadLineAsync(stop); // the empty line behind each event
            if (name == "event: camera" && ++states % 2 == 0) // one per second
            {
                await _http.GetByteArrayAsync("/api/v1/cameras", stop);
                await _http.GetByteArrayAsync("/api/v1/tracks?camera=a", stop);
            }

            if (name != "event: frame") continue;
            using var frame = JsonDocument.Parse(data!["data: ".Length..]);
            await _http.GetByteArrayAsync(frame.RootElement.GetProperty("picture").GetString(), stop);
            Interlocked.Increment(ref _images);
        }
    }

    private async Task StartedAsync()
    {
        while (!_daemon.HasExited)
        {
            await Task.Delay(s_pause, TimeProvider.System, CancellationToken.None);
            try
            {
                using var snapshot = await _http.GetAsync(new Uri("/api/v1/cameras/a/snapshot.jpg", UriKind.Relative));
                if (snapshot.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // The daemon loads its model.
            }
        }

        throw new InvalidOperationException($"The daemon ended with code {_daemon.ExitCode}.");
    }

    /// <summary>Frames per second that have results, of the last ten seconds.</summary>
    private async Task<double> RateAsync()
    {
        using var answer = JsonDocument.Parse(await _http.GetByteArrayAsync("/api/v1/cameras"));
        return answer.RootElement.GetProperty("cameras")[0].GetProperty("fps_out").GetDouble();
    }

    private TimeSpan Time()
    {
        _daemon.Refresh();
        return _daemon.TotalProcessorTime;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_daemon.HasExited) _daemon.Kill();
        await _daemon.WaitForExitAsync();
        _daemon.Dispose();
        _http.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
