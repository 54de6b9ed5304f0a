using System.Diagnostics;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>The process as the kernel sees it, under the names that Prometheus' own clients use.</summary>
internal sealed class ProcessMetrics : IDisposable
{
    private readonly Process _process = Process.GetCurrentProcess();

    public ProcessMetrics(PipelineMetrics metrics)
    {
        var start = new DateTimeOffset(_process.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0;
        metrics.Meter.CreateObservableCounter("process.cpu", () => Now.TotalProcessorTime.TotalSeconds, "s", "User and system time spent.");
        metrics.Meter.CreateObservableGauge("process.resident_memory", () => Now.WorkingSet64, "By", "Resident memory, native buffers included.");
        metrics.Meter.CreateObservableGauge("process.threads", Threads, null, "Threads.");
        metrics.Meter.CreateObservableGauge("dotnet.thread_pool.threads", () => ThreadPool.ThreadCount, null, "Threads of the pool.");
        metrics.Meter.CreateObservableGauge("dotnet.thread_pool.pending", () => ThreadPool.PendingWorkItemCount, null, "Work items that wait for a thread of the pool.");
        metrics.Meter.CreateObservableGauge("process.start_time", () => start, "s", "Start, seconds since the epoch.");
        if (Directory.Exists("/proc/self/fd"))
            metrics.Meter.CreateObservableGauge("process.open_fds", () => Directory.GetFileSystemEntries("/proc/self/fd").Length, null, "Open file descriptors.");
    }

    // Process would read a file for each of them.
    private int Threads() => Directory.Exists("/proc/self/task") ? Directory.GetFileSystemEntries("/proc/self/task").Length : Now.Threads.Count;

    private Process Now
    {
        get
        {
            _process.Refresh();
            return _process;
        }
    }

    public void Dispose() => _process.Dispose();
}
