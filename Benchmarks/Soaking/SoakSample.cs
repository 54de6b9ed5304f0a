using System.Globalization;

namespace Dvis.Streaming.Benchmarks.Soaking;

/// <summary>What the daemon held at one moment, as the kernel and its own metrics say.</summary>
/// <param name="Seconds">Since the soak began.</param>
/// <param name="Cameras">Cameras configured.</param>
/// <param name="HeapMiB">Memory that the garbage collector held after its last collection.</param>
/// <param name="PoolMiB">Native memory of the pools.</param>
/// <param name="Buffers">Native buffers given out and not yet returned.</param>
/// <param name="Outbox">Messages not yet acknowledged.</param>
/// <param name="Series">Lines of /metrics that carry a number.</param>
internal sealed record SoakSample(double Seconds, int Cameras, double ResidentMiB, double HeapMiB, double PoolMiB,
    int Handles, int Threads, int Children, double Buffers, double Outbox, int Series)
{
    public const string Header =
        "seconds,cameras,resident_mib,heap_mib,pool_mib,handles,threads,children,buffers,outbox,series";

    private const double MiB = 1 << 20;

    /// <summary>Reads the process <paramref name="pid"/> and its metrics; null when it has gone.</summary>
    public static SoakSample? Read(double seconds, int cameras, int pid, string metrics)
    {
        var at = $"/proc/{pid}";
        try
        {
            var status = File.ReadAllLines($"{at}/status");
            var lines = metrics.Split('\n').Where(line => line.Length > 0 && line[0] != '#').ToArray();
            double Sum(string name) => lines.Where(line => line.StartsWith(name, StringComparison.Ordinal))
                .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
            return new SoakSample(seconds, cameras, Field(status, "VmRSS:") / 1024.0,
                Sum("dotnet_gc_last_collection_memory_committed_size_bytes") / MiB,
                Sum("dvis_native_buffers_held_bytes") / MiB, Directory.GetFileSystemEntries($"{at}/fd").Length,
                Field(status, "Threads:"),
                ChildrenOf(pid).Count, Sum("dvis_native_buffers_in_use"), Sum("dvis_outbox_messages"), lines.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Processes whose parent is <paramref name="pid"/>.</summary>
    public static IReadOnlyList<int> ChildrenOf(int pid) =>
        [.. Directory.EnumerateDirectories($"/proc/{pid}/task").SelectMany(task =>
            Text($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries)).Select(int.Parse)];

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Seconds:0},{Cameras},{ResidentMiB:0.0},{HeapMiB:0.0},{PoolMiB:0.0},{Handles},{Threads},{Children},")
        + string.Create(CultureInfo.InvariantCulture, $"{Buffers:0},{Outbox:0},{Series}");

    private static int Field(string[] status, string name) =>
        int.Parse(status.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..]
            .Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);

    private static string Text(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
