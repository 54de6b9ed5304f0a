using System.Globalization;

namespace Dvis.Streaming.Benchmarks;

/// <summary>What of this process lies in memory, in MiB, as Linux counts it.</summary>
internal static class ResidentMemory
{
    public static double Now => long.Parse(File.ReadAllText("/proc/self/statm")
        .Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize / 1048576.0;

    /// <summary>The most since the start or <see cref="ForgetPeak"/>.</summary>
    public static double Peak
    {
        get
        {
            var line = File.ReadLines("/proc/self/status")
                .First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
            return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
                / 1024.0;
        }
    }

    public static void ForgetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");
}
