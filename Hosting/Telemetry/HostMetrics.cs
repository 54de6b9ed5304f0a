using System.Diagnostics;
using System.Diagnostics.Metrics;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Metrics of build, configuration, buffers, model and process (named as by Prometheus' clients).</summary>
internal sealed class HostMetrics
{
    private readonly Meter _meter;

    public HostMetrics(PipelineMetrics metrics, RunState state, FramePool frames, TensorPool tensors)
    {
        _meter = metrics.Meter;
        var build = One(
            Tag("version", BuildInfo.Version), Tag("commit", BuildInfo.Commit), Tag("schema", BuildInfo.Schema));
        _meter.CreateObservableGauge("dvis.build_info", () => build, null, "1 for the build that runs.");
        ObserveConfiguration(state);
        ObservePools(frames, tensors);
        ObserveProcess();
    }

    public void ObserveModel(ModelGraphs models, string precision)
    {
        var running = models.Manifest.Method.Graphs.Select(g => (Role: g.Name, Model: models.Find(g.Name)))
            .Where(g => g.Model is not null)
            .Select(g => Graph(models.Manifest, g.Role, g.Model!, precision)).ToArray();
        _meter.CreateObservableGauge(
            "dvis.model_info", () => running, null, "1 for each graph of the model that runs.");
    }

    private void ObserveConfiguration(RunState state)
    {
        _meter.CreateObservableCounter(
            "dvis.config.reloads",
            () => Enum.GetValues<ReloadOutcome>()
                .Select(o => new Measurement<long>(state.Reloads(o), Tag("outcome", EnumName.Of(o)))),
            "{reload}", "Attempts to take over a changed configuration, by outcome.");
        Gauge(
            "dvis.config.last_reload.successful", null, "0 when the files say something that could not be taken over.",
            () => state.Reload is { Successful: false } ? 0 : 1);
        Gauge(
            "dvis.config.last_reload.success.timestamp", "s",
            "When the configuration was last taken over; at first, the start.",
            () => state.Loaded.ToUnixTimeMilliseconds() / 1000.0);
    }

    private void ObservePools(FramePool frames, TensorPool tensors)
    {
        _meter.CreateObservableGauge(
            "dvis.native_buffers.in_use", () => Pools(frames.Outstanding, tensors.Outstanding),
            "{buffer}", "Native buffers given out and not returned.");
        _meter.CreateObservableCounter(
            "dvis.native_buffers.allocated", () => Pools(frames.Allocations, tensors.Allocations),
            "{buffer}", "Native buffers ever allocated; flat in steady state.");
        _meter.CreateObservableGauge(
            "dvis.native_buffers.held", () => Pools(frames.AllocatedBytes, tensors.AllocatedBytes),
            "By", "Native memory of the pools, in use or free.");
    }

    private void ObserveProcess()
    {
        _meter.CreateObservableCounter(
            "dvis.output.lost", Lost, "{line}",
            "Lines that standard output or standard error did not take: full disk, closed or slow reader.");
        using var process = Process.GetCurrentProcess();
        var start = new DateTimeOffset(process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0;
        _meter.CreateObservableCounter(
            "process.cpu", () => Environment.CpuUsage.TotalTime.TotalSeconds, "s", "User and system time spent.");
        Gauge("process.resident_memory", "By", "Resident memory, native buffers included.", () =>
            Environment.WorkingSet);
        Gauge("process.start_time", "s", "Start, seconds since the epoch.", () => start);
        Gauge("dotnet.thread_pool.threads", null, "Threads of the pool.", () => ThreadPool.ThreadCount);
        Gauge(
            "dotnet.thread_pool.pending", null, "Work items that wait for a thread of the pool.",
            () => ThreadPool.PendingWorkItemCount);
        if (!Directory.Exists("/proc/self")) return;
        Gauge("process.threads", null, "Threads.", () => Entries("/proc/self/task"));
        Gauge("process.open_fds", null, "Open file descriptors.", () => Entries("/proc/self/fd"));
    }

    private static Measurement<long>[] Lost() =>
        [
            new(LineOutput.Out.Lost, Tag("stream", "stdout")), new(LineOutput.Error.Lost, Tag("stream", "stderr")),
        ];

    private static int Entries(string folder) => Directory.GetFileSystemEntries(folder).Length;

    private void Gauge<T>(string name, string? unit, string help, Func<T> value) where T : struct =>
        _meter.CreateObservableGauge(name, value, unit, help);

    private static Measurement<int> Graph(ModelManifest manifest, string role, IModel model, string precision)
    {
        var file = manifest.PrecisionOf(role, precision);
        return One(
            Tag("role", role), Tag("model", $"{manifest.Name}-{manifest.Version}"),
            Tag("task", EnumName.Of(manifest.Task)),
            Tag("sha", manifest.FileOf(role, file)!.Sha256[..12]),
            Tag("provider", (model as OnnxModel)?.Provider ?? "none"), Tag("precision", file));
    }

    private static Measurement<int> One(params KeyValuePair<string, object?>[] tags) => new(1, tags);

    private static Measurement<long>[] Pools(long frames, long tensors) =>
        [new(frames, Tag("pool", "frames")), new(tensors, Tag("pool", "tensors"))];

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
