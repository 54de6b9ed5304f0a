using System.Globalization;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>One line a second and camera about what happens, for the person who started it.</summary>
internal sealed class RunConsole(RunStatistics statistics, TimeProvider time, TextWriter output) : BackgroundService
{
    // With more cameras than this the lines would outrun the reader: then one line for all.
    private const int ShownCameras = 6;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, (long In, long Out)> _last = [];
    private long _lastAt = time.GetTimestamp();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) await TellAsync();
        }
        catch (OperationCanceledException)
        {
            // The end of the run.
        }
    }

    private async Task TellAsync()
    {
        var seconds = time.GetElapsedTime(_lastAt).TotalSeconds;
        _lastAt = time.GetTimestamp();
        var cameras = statistics.Cameras.ToList();
        foreach (var gone in _last.Keys.Except(cameras.Select(c => c.Name)).ToList()) _last.Remove(gone);
        var rates = cameras.ToDictionary(c => c.Name, c => Rates(c, seconds));
        if (cameras.Count <= ShownCameras)
        {
            foreach (var camera in cameras) await output.WriteLineAsync(Line(camera, rates[camera.Name]));
            return;
        }

        var off = cameras.Where(c => c.State != "online").Select(c => $"{c.Name} {c.State}").ToList();
        await output.WriteLineAsync(Text(
            $"{Clock} {cameras.Count} cameras, in {rates.Values.Sum(r => r.In):0.0} out {rates.Values.Sum(r => r.Out):0.0} fps, active {cameras.Sum(c => c.Active)}, provisional {cameras.Sum(c => c.Provisional)}, final {cameras.Sum(c => c.Final)}{(off.Count == 0 ? "" : "; " + string.Join(", ", off))}"));
    }

    private (double In, double Out) Rates(CameraTally camera, double seconds)
    {
        var now = (In: camera.FramesIn, Out: camera.Provisional);
        var before = _last.GetValueOrDefault(camera.Name);
        _last[camera.Name] = now;
        return seconds <= 0 ? (0, 0) : ((now.In - before.In) / seconds, (now.Out - before.Out) / seconds);
    }

    private string Clock => time.GetLocalNow().ToString("HH:mm:ss", CultureInfo.InvariantCulture);

    private string Line(CameraTally camera, (double In, double Out) rates)
    {
        var dropped = camera.DroppedBy.Sum(d => d.Value);
        return Text(
            $"{Clock} {camera.Name} {camera.State}, in {rates.In:0.0} out {rates.Out:0.0} fps, active {camera.Active}, provisional {camera.Provisional}, final {camera.Final}, p95 {camera.ProvisionalLatency.Percentile(.95) * 1000:0} ms{(dropped > 0 ? $", dropped {dropped}" : "")}");
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
