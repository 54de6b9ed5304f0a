using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>The shipped access list on a real broker.</summary>
public sealed class AclTests
{
    [Fact]
    public async Task ShippedAcl_NodeUnderItsName_MayPublish()
    {
        await using var broker = await BrokerAsync("gate-3");
        await using var rig = new MqttRig(broker.Url, o => (o.Username, o.Password) = ("gate-3", "p"));
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
    }

    [Fact]
    public async Task ShippedAcl_ConsumerOrOtherNode_MayNot()
    {
        await using var broker = await BrokerAsync("robot");
        await using var rig = new MqttRig(broker.Url, o => (o.Username, o.Password) = ("robot", "p"));
        await rig.StartAsync();
        await rig.Sink.FlushAsync(default);
        Assert.Equal(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=acked"));
        Assert.NotEqual(0, rig.Metrics.Sum("dvis.mqtt.messages", "outcome=failed"));
        Assert.NotEqual(0, rig.Metrics.Sum("dvis.outbox.dropped", "reason=not_authorized"));
    }

    private static Task<MosquittoBroker> BrokerAsync(string user)
        => MosquittoBroker.StartAsync([$"acl_file {Repo.Path("deploy/mosquitto/dvis.acl")}"], login: (user, "p"));
}
