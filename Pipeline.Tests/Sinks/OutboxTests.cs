using Dvis.Streaming.Sinks.Mqtt;

namespace Dvis.Streaming.Pipeline.Tests.Sinks;

public sealed class OutboxTests
{
    private static readonly MqttTopic Final = new("final", "final", 1), StateA = new("a", "state", 1, Retain: true), StateB = new("b", "state", 1, Retain: true);
    private long _token;

    [Fact]
    public void Add_MoreThanMessages_DropsOldestWaiting()
    {
        var outbox = new Outbox(2, 1000);
        Assert.Empty(outbox.Add(Entry(Final, "1")));
        Assert.Empty(outbox.Add(Entry(Final, "2")));
        Assert.Equal(["1"], Texts(outbox.Add(Entry(Final, "3"))));
        Assert.Equal(["2", "3"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Add_MoreThanBytes_DropsUntilItFits()
    {
        var outbox = new Outbox(100, 10);
        outbox.Add(Entry(Final, "1234"));
        outbox.Add(Entry(Final, "5678"));
        Assert.Equal(["1234", "5678"], Texts(outbox.Add(Entry(Final, "90abcdef"))));
        Assert.Equal((1, 8), (outbox.Count, outbox.Bytes));
    }

    [Fact]
    public void Add_InFlight_IsNeverDropped()
    {
        var outbox = new Outbox(1, 1000);
        outbox.Connected();
        outbox.Add(Entry(Final, "1"));
        outbox.Take();
        Assert.Equal(["2"], Texts(outbox.Add(Entry(Final, "2"))));
        Assert.Equal(1, outbox.InFlight);
    }

    [Fact]
    public void Add_StateWhileDisconnected_WaitsForNobody()
    {
        var outbox = new Outbox(10, 1000);
        outbox.Add(Entry(StateA, "old"));
        outbox.Add(Entry(StateB, "b"));
        outbox.Add(Entry(StateA, "new"));
        Assert.Equal(0, outbox.Count);
        outbox.Connected();
        Assert.Equal(["new", "b"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Add_StateWhileConnected_ReplacesTheWaitingOne()
    {
        var outbox = new Outbox(10, 1000);
        outbox.Connected();
        outbox.Add(Entry(StateA, "1"));
        outbox.Add(Entry(Final, "f"));
        outbox.Add(Entry(StateA, "2"));
        Assert.Equal(["f", "2"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Disconnected_Unacknowledged_ComeAgainInOrderAfterState()
    {
        var outbox = new Outbox(10, 1000);
        outbox.Connected();
        outbox.Add(Entry(StateA, "a"));
        for (var i = 1; i <= 4; i++) outbox.Add(Entry(Final, $"{i}"));
        var (_, first, second) = (outbox.Take(), outbox.Take()!, outbox.Take()!);
        Assert.Same(first, outbox.Complete(first.Token));
        outbox.Disconnected();
        Assert.Equal(3, outbox.Count);
        outbox.Connected();
        var again = TakeAll(outbox);
        Assert.Equal(["a", "2", "3", "4"], Texts(again));
        Assert.Same(second, again[1]);
        Assert.All(again.Skip(1), e => Assert.True(e.Late));
    }

    [Fact]
    public void Complete_UnknownToken_IsNull()
    {
        var outbox = new Outbox(10, 1000);
        outbox.Add(Entry(Final, "1"));
        Assert.Null(outbox.Complete(1));
        Assert.Equal(1, outbox.Count);
    }

    [Fact]
    public void Bytes_AfterRandomLife_AreThoseOfTheMessages()
    {
        var random = new Random(7);
        var outbox = new Outbox(20, 200);
        var flying = new List<OutboxEntry>();
        var connected = false;
        for (var i = 0; i < 5000; i++)
        {
            switch (random.Next(6))
            {
                case 0 when connected:
                    outbox.Disconnected();
                    flying.Clear();
                    connected = false;
                    break;
                case 1 when !connected:
                    outbox.Connected();
                    connected = true;
                    break;
                case 2 when connected && flying.Count > 0:
                    var done = flying[random.Next(flying.Count)];
                    flying.Remove(done);
                    Assert.NotNull(outbox.Complete(done.Token));
                    break;
                case 3 when connected && flying.Count < 8 && outbox.Take() is { } taken:
                    flying.Add(taken);
                    break;
                default:
                    outbox.Add(Entry(random.Next(3) switch { 0 => StateA, 1 => StateB, _ => Final }, new('x', random.Next(1, 30))));
                    break;
            }

            Assert.InRange(outbox.Count, 0, 20 + 8 + 2);
        }

        if (connected) outbox.Disconnected();
        outbox.Connected();
        Assert.Equal(outbox.Bytes, TakeAll(outbox).Sum(e => (long)e.Payload.Length));
    }

    private OutboxEntry Entry(MqttTopic topic, string text) => new(++_token, topic, [.. text.Select(c => (byte)c)], null, 0);

    private static List<OutboxEntry> TakeAll(Outbox outbox)
    {
        var all = new List<OutboxEntry>();
        while (outbox.Take() is { } entry) all.Add(entry);
        return all;
    }

    private static IEnumerable<string> Texts(IEnumerable<OutboxEntry> entries) => entries.Select(e => new string([.. e.Payload.Select(b => (char)b)]));
}
