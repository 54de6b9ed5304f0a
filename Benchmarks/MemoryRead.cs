using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods.GenVis;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// Processor time of GenVIS's memory per clip when it is full: the read, and the entry with its merge. The values
/// are random, so that no weight of the softmax vanishes.
/// </summary>
internal static class MemoryRead
{
    public static void Run(int clips, int slots, int channels, int rounds)
    {
        Console.WriteLine("policy  clips  slots  channels  read ms  append ms  MB per camera");
        foreach (var policy in Enum.GetValues<MemoryPolicy>())
        {
            using var memory = new PrototypeMemory(slots, channels, new MemoryRule(clips, policy));
            var random = new Random(1);
            var (keys, values, sums) = (Draw(), Draw(), new float[slots * channels]);
            for (var i = 0; i < 2 * clips; i++) memory.Append(Draw(), Draw());
            var read = Mean(() => memory.Read(keys, sums));
            var append = Mean(() => memory.Append(keys, values));
            Console.WriteLine(
                $"{policy,-6}  {clips,5}  {slots,5}  {channels,8}  {read,7:F2}  {append,9:F2}  "
                + $"{memory.Bytes / 1e6,13:F1}");

            float[] Draw() =>
                [.. Enumerable.Range(0, slots * channels).Select(_ => (float)(random.NextDouble() - 0.5) / 4)];
        }

        // Other work on the machine does not stretch processor time; nothing else runs in this process.
        double Mean(Action action)
        {
            for (var i = 0; i < rounds / 4; i++) action();
            var before = Environment.CpuUsage.TotalTime;
            for (var i = 0; i < rounds; i++) action();
            return (Environment.CpuUsage.TotalTime - before).TotalMilliseconds / rounds;
        }
    }
}
