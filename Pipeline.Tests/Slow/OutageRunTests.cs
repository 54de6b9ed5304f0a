using Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary>Broker outage, at length (<c>docs/internal/reliability.md</c>): broker killed five times,
/// service twice, at least 2,000 finals.</summary>
public sealed class OutageRunTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Run_FiveBrokersAndTwoDaemonsKilled_EveryFinalArrivesInOrder()
    {
        await using var run = new OutageRun();
        try
        {
            await run.RunAsync(2000, Kill.Broker, Kill.Broker, Kill.Daemon, Kill.Broker, Kill.Broker,
                Kill.DaemonWithoutBroker);
        }
        finally
        {
            foreach (var line in run.Report) output.WriteLine(line);
        }
    }
}
