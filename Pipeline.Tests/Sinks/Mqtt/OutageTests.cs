namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Broker outage, in short: finals are neither lost nor disordered when broker and service die.</summary>
public sealed class OutageTests
{
    [Fact]
    public async Task Run_BrokerAndDaemonKilled_EveryFinalArrivesInOrder()
    {
        await using var run = new OutageRun();
        await run.RunAsync(200, Kill.Broker, Kill.DaemonWithoutBroker);
    }
}
