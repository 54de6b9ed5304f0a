using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>Progress of a run on the console: one line per second and camera.</summary>
internal sealed class RunConsole(RunState state, TimeProvider time, TextWriter output)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    // More cameras have one line together, so that the lines can be read.
    private const int ShownCameras = 6;

    private readonly Dictionary<string, (long In, long Out)> _last = [];
    private long _lastAt = time.GetTimestamp();

    protected override async Task TickAsync()
    {
        var seconds = Time.GetElapsedTime(_lastAt).TotalSeconds;
        _lastAt = Time.GetTimestamp();
        var cameras = state.Cameras;
        foreach (var gone in _last.Keys.Except(cameras.Select(c => c.Name)).ToList()) _last.Remove(gone);
        var rates = cameras.ToDictionary(c => c.Name, c => Rates(c.Counts, seconds));
        if (cameras.Count <= ShownCameras)
        {
            foreach (var camera in cameras) await output.WriteLineAsync(Line(camera, rates[camera.Name]));
            return;
        }

        var off = cameras.Where(c => c.State != CameraState.Online)
            .Select(c => $"{c.Name} {EnumName.Of(c.State)}").ToList();
        var all = cameras.Select(c => c.Counts).ToList();
        var counts = Counts(rates.Values.Sum(r => r.In), rates.Values.Sum(r => r.Out), all);
        var away = off.Count == 0 ? "" : $"; {string.Join(", ", off)}";
        await output.WriteLineAsync($"{Clock} {cameras.Count} cameras, {counts}{away}");
    }

    private (double In, double Out) Rates(CameraTally camera, double seconds)
    {
        var now = (In: camera.FramesIn, Out: camera.Provisional);
        var before = _last.GetValueOrDefault(camera.Name);
        _last[camera.Name] = now;
        return seconds <= 0 ? (0, 0) : ((now.In - before.In) / seconds, (now.Out - before.Out) / seconds);
    }

    private string Clock => $"{Time.GetLocalNow():HH:mm:ss}";

    private string Line(CameraBoard camera, (double In, double Out) rates)
    {
        var dropped = camera.Counts.DroppedBy.Sum(d => d.Value);
        var p95 = camera.Counts.ProvisionalLatency.Percentile(.95) * 1000;
        return $"{Clock} {camera.Name} {EnumName.Of(camera.State)}, {Counts(rates.In, rates.Out, [camera.Counts])}, "
            + $"p95 {p95:0} ms{(dropped > 0 ? $", dropped {dropped}" : "")}";
    }

    private static string Counts(double framesIn, double framesOut, IReadOnlyList<CameraTally> cameras) =>
        $"in {framesIn:0.0} out {framesOut:0.0} fps, active {cameras.Sum(c => c.Active)}, "
        + $"provisional {cameras.Sum(c => c.Provisional)}, final {cameras.Sum(c => c.Final)}";
}
