using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>
/// Progress of a run on the console: one line per second and camera, of the last ten seconds, worst first.
/// </summary>
internal sealed class RunConsole(RunState state, TimeProvider time, TextWriter output)
    : PeriodicService(TimeSpan.FromSeconds(1), time)
{
    // Of more cameras the others have one line together, so that the lines can be read.
    private const int ShownCameras = 6;

    private readonly HashSet<string> _ended = []; // cameras whose end was printed

    protected internal override async Task TickAsync()
    {
        var clock = $"{Time.GetLocalNow():HH:mm:ss}";
        foreach (var line in Lines(state.Cameras)) await output.WriteLineAsync($"{clock} {line}");
    }

    /// <summary>Lines of a second: of more cameras than can be read first their sum, then the worst.</summary>
    internal IEnumerable<string> Lines(IReadOnlyList<CameraBoard> cameras)
    {
        if (cameras.Count > ShownCameras)
        {
            var off = cameras.Where(c => c.State != CameraState.Online && !c.HasEnded)
                .Select(c => $"{c.Name} {EnumName.Of(c.State)}").ToList();
            var away = off.Count == 0 ? "" : $"; {string.Join(", ", off)}";
            yield return $"{cameras.Count} cameras, {Counts(cameras)}{away}";
        }

        // A file at its end has its line when its last frames have their results.
        var worst = cameras.Where(c => c.HasEnded ? !_ended.Contains(c.Name) : !c.IsFinishing)
            .OrderByDescending(c => c.Recent.DroppedShare).ThenByDescending(c => c.Recent.P95);
        foreach (var camera in worst.Take(ShownCameras).ToList())
        {
            if (camera.HasEnded) _ended.Add(camera.Name);
            else _ended.Remove(camera.Name);
            var recent = camera.Recent;
            var drops = recent.Reason is null ? "" : $" ({recent.Reason})";
            var start = recent.FromCapture ? "capture" : "receipt";
            yield return $"{camera.Name} {EnumName.Of(camera.State)}, {Counts([camera])}, "
                + $"dropped {recent.DroppedShare * 100:0} %{drops}, p95 {recent.P95 * 1000:0} ms from {start}";
        }
    }

    private static string Counts(IReadOnlyList<CameraBoard> of) =>
        $"in {of.Sum(c => c.Recent.FpsIn):0.0} out {of.Sum(c => c.Recent.FpsOut):0.0} fps, "
        + $"active {of.Sum(c => c.Counts.Active)}, provisional {of.Sum(c => c.Counts.Provisional)}, "
        + $"final {of.Sum(c => c.Counts.Final)}";
}
