using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>Progress of a run on the console: one line per second and camera.</summary>
internal sealed class RunConsole(RunState state, TimeProvider time, TextWriter output)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    // More cameras have one line together, so that the lines can be read.
    private const int ShownCameras = 6;

    private readonly HashSet<string> _ended = []; // cameras whose end was printed
    private Dictionary<string, (long In, long Out)> _last = [];
    private long _lastAt = time.GetTimestamp();

    protected override async Task TickAsync()
    {
        var clock = $"{Time.GetLocalNow():HH:mm:ss}";
        var (cameras, last, seconds) = (state.Cameras, _last, Time.GetElapsedTime(_lastAt).TotalSeconds);
        _last = cameras.ToDictionary(c => c.Name, c => (c.Counts.FramesIn, c.Counts.Provisional));
        _lastAt = Time.GetTimestamp();
        if (cameras.Count > ShownCameras)
        {
            var off = cameras.Where(c => c.State != CameraState.Online && !c.HasEnded)
                .Select(c => $"{c.Name} {EnumName.Of(c.State)}").ToList();
            var away = off.Count == 0 ? "" : $"; {string.Join(", ", off)}";
            await output.WriteLineAsync($"{clock} {cameras.Count} cameras, {Counts(cameras)}{away}");
            return;
        }

        foreach (var camera in cameras)
        {
            if (!camera.HasEnded) _ended.Remove(camera.Name);
            else if (!_ended.Add(camera.Name)) continue;
            var dropped = camera.Counts.DroppedBy.Sum(d => d.Value);
            var drops = dropped > 0 ? $", dropped {dropped}" : "";
            var p95 = camera.Counts.ProvisionalLatency.Percentile(.95) * 1000;
            await output.WriteLineAsync(
                $"{clock} {camera.Name} {EnumName.Of(camera.State)}, {Counts([camera])}, p95 {p95:0} ms{drops}");
        }

        string Counts(IReadOnlyList<CameraBoard> of)
        {
            var framesIn = of.Sum(c => _last[c.Name].In - last.GetValueOrDefault(c.Name).In) / seconds;
            var framesOut = of.Sum(c => _last[c.Name].Out - last.GetValueOrDefault(c.Name).Out) / seconds;
            return $"in {framesIn:0.0} out {framesOut:0.0} fps, active {of.Sum(c => c.Counts.Active)}, "
                + $"provisional {of.Sum(c => c.Counts.Provisional)}, final {of.Sum(c => c.Counts.Final)}";
        }
    }
}
