using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>In memory alone, as without a folder.</summary>
public sealed class OutboxTests
{
    private static readonly MqttTopic Final = new("final", "final", 1), StateA = new("a", "state", 1, Retain: true),
        StateB = new("b", "state", 1, Retain: true);
    private readonly ManualTime _time = new();
    private readonly List<(string Text, string Reason)> _dropped = [];

    [Fact]
    public void Add_MoreThanMessages_DropsOldestWaiting()
    {
        var outbox = Memory(2);
        Add(outbox, Final, "1", "2");
        Assert.Empty(_dropped);
        Add(outbox, Final, "3");
        Assert.Equal([("1", "memory_full")], _dropped);
        Assert.Equal(["2", "3"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Add_MoreThanBytes_DropsUntilItFits()
    {
        var outbox = Memory(100, 8);
        Add(outbox, Final, "1234", "5678");
        Assert.Empty(_dropped);
        Add(outbox, Final, "90abcdef");
        Assert.Equal(["1234", "5678"], _dropped.Select(d => d.Text));
        Assert.Equal((1, 8), (outbox.Count, outbox.Bytes));
    }

    [Fact]
    public void Add_InFlight_IsNeverDropped()
    {
        var outbox = Memory(1);
        outbox.Connected();
        Add(outbox, Final, "1");
        outbox.Take();
        Add(outbox, Final, "2");
        Assert.Equal(["2"], _dropped.Select(d => d.Text));
        Assert.Equal(1, outbox.InFlight);
    }

    [Fact]
    public void Add_StateWhileDisconnected_WaitsForNobody()
    {
        var outbox = Memory(10);
        Add(outbox, StateA, "old");
        Add(outbox, StateB, "b");
        Add(outbox, StateA, "new");
        Assert.Equal(0, outbox.Count);
        outbox.Connected();
        Assert.Equal(["new", "b"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Add_StateWhileConnected_ReplacesTheWaitingOne()
    {
        var outbox = Memory(10);
        outbox.Connected();
        Add(outbox, StateA, "1");
        Add(outbox, Final, "f");
        Add(outbox, StateA, "2");
        Assert.Equal(["f", "2"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Disconnected_Unacknowledged_ComeAgainInOrderAfterState()
    {
        var outbox = Memory(10);
        outbox.Connected();
        Add(outbox, StateA, "a");
        Add(outbox, Final, "1", "2", "3", "4");
        var (_, first, second) = (outbox.Take(), outbox.Take()!, outbox.Take()!);
        Assert.Same(first, outbox.Complete(first.Token, accepted: true));
        outbox.Disconnected(lost: true);
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
        var outbox = Memory(10);
        Add(outbox, Final, "1");
        Assert.Null(outbox.Complete(1, accepted: true));
        Assert.Equal(1, outbox.Count);
    }

    [Fact]
    public void Disconnected_BrokerMayHaveDied_SendsAgainWhatItAcknowledgedOfLate()
    {
        var outbox = Memory(10, keep: TimeSpan.FromSeconds(5));
        outbox.Connected();
        Add(outbox, Final, "1");
        Acknowledge(outbox);
        _time.Advance(TimeSpan.FromSeconds(4));
        Add(outbox, Final, "2");
        Acknowledge(outbox);
        Add(outbox, Final, "3");
        outbox.Take();
        _time.Advance(TimeSpan.FromSeconds(2));
        outbox.Tick();
        Assert.Equal(1, outbox.Count);

        outbox.Disconnected(lost: true);
        outbox.Connected();
        Assert.Equal(["2", "3"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Disconnected_BrokerSaidGoodbye_RepeatsOnlyWhatItDidNotAcknowledge()
    {
        var outbox = Memory(10, keep: TimeSpan.FromSeconds(5));
        outbox.Connected();
        Add(outbox, Final, "1", "2");
        Acknowledge(outbox);
        outbox.Disconnected(lost: false);
        outbox.Connected();
        Assert.Equal(["2"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Refuse_Topic_RestsForGrowingPausesWhileOthersGoOn()
    {
        var (outbox, other) = (Memory(100), new MqttTopic("other", "final", 1));
        outbox.Connected();
        Add(outbox, Final, "1", "2", "3");
        var (first, second) = (outbox.Take()!, outbox.Take()!);
        Assert.Same(first, outbox.Refuse(first.Token));
        Add(outbox, other, "o");
        // The third comes upon a topic that rests; the second was on its way.
        Assert.Equal(["o"], Texts(TakeAll(outbox)));
        outbox.Refuse(second.Token);
        Assert.Equal((3, 1), (outbox.Held, outbox.Count));
        outbox.Tick();
        Assert.Null(outbox.Take());

        for (var pause = 1; pause <= 4; pause *= 2)
        {
            _time.Advance(TimeSpan.FromSeconds(0.75 * pause));
            outbox.Tick();
            Assert.Null(outbox.Take());
            _time.Advance(TimeSpan.FromSeconds(0.25 * pause));
            outbox.Tick();
            var probe = outbox.Take()!;
            Assert.Equal("1", Text(probe));
            outbox.Refuse(probe.Token);
        }

        _time.Advance(TimeSpan.FromSeconds(8));
        outbox.Tick();
        var accepted = outbox.Take()!;
        outbox.Complete(accepted.Token, accepted: true);
        Assert.Equal(["2", "3"], Texts(TakeAll(outbox)));
        Assert.Empty(_dropped);
    }

    [Fact]
    public void Refuse_PauseIsOver_NothingOvertakesWhatWaitedLongest()
    {
        var outbox = Memory(100);
        outbox.Connected();
        Add(outbox, Final, "1", "2");
        foreach (var entry in TakeAll(outbox)) outbox.Refuse(entry.Token);
        _time.Advance(TimeSpan.FromSeconds(1));
        Add(outbox, Final, "3");
        Assert.Null(outbox.Take());
        outbox.Tick();
        var tried = outbox.Take()!;
        Add(outbox, Final, "4");
        Assert.Null(outbox.Take());

        outbox.Complete(tried.Token, accepted: true);

        Assert.Equal(["2", "3", "4"], Texts(TakeAll(outbox)));
        Assert.Equal(0, outbox.Held);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Disconnected_WhileOneIsTriedAgain_KeepsTheOrder(bool handedOver)
    {
        var outbox = Memory(100);
        outbox.Connected();
        Add(outbox, Final, "1", "2", "3");
        foreach (var entry in TakeAll(outbox)) outbox.Refuse(entry.Token);
        _time.Advance(TimeSpan.FromSeconds(1));
        outbox.Tick();
        if (handedOver) outbox.PutBack(outbox.Take()!);

        outbox.Disconnected(lost: true);
        outbox.Connected();

        Assert.Equal(["1", "2", "3"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Refuse_MoreThanFits_DropsOldestAndCounts()
    {
        var outbox = Memory(3);
        outbox.Connected();
        for (var i = 1; i <= 5; i++)
        {
            Add(outbox, Final, $"{i}");
            if (outbox.Take() is { } entry) outbox.Refuse(entry.Token);
        }

        Assert.Equal(3, outbox.Held);
        Assert.Equal(["1", "2"], _dropped.Select(d => d.Text));
        outbox.Disconnected(lost: true);
        outbox.Connected();
        Assert.Equal(["3", "4", "5"], Texts(TakeAll(outbox)));
    }

    [Fact]
    public void Tick_TooOld_DropsAndCounts()
    {
        var outbox = Memory(10);
        Add(outbox, Final, "1");
        _time.Advance(TimeSpan.FromHours(20));
        Add(outbox, Final, "2");
        _time.Advance(TimeSpan.FromHours(4));
        outbox.Tick();
        Assert.Empty(_dropped);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        outbox.Tick();
        Assert.Equal([("1", "max_age")], _dropped);
        Assert.Equal(Some.Now + TimeSpan.FromHours(20), outbox.Oldest);
    }

    [Fact]
    public void Bytes_AfterRandomLife_AreThoseOfTheMessages()
    {
        var random = new Random(7);
        var outbox = Memory(20, 200, TimeSpan.FromSeconds(5));
        var flying = new List<OutboxEntry>();
        var connected = false;
        for (var i = 0; i < 5000; i++)
        {
            switch (random.Next(6))
            {
                case 0 when connected:
                    outbox.Disconnected(random.Next(2) == 0);
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
                    Assert.NotNull(outbox.Complete(done.Token, random.Next(2) == 0));
                    _time.Advance(TimeSpan.FromSeconds(1));
                    break;
                case 3 when connected && flying.Count < 8 && outbox.Take() is { } taken:
                    flying.Add(taken);
                    break;
                default:
                    Add(outbox, random.Next(3) switch { 0 => StateA, 1 => StateB, _ => Final },
                        new string('x', random.Next(1, 30)));
                    break;
            }

            outbox.Tick();
            Assert.InRange(outbox.Count, 0, 20 + 8 + 2);
        }

        if (connected) outbox.Disconnected(lost: true);
        outbox.Connected();
        Assert.Equal(outbox.Bytes, TakeAll(outbox).Sum(e => (long)e.Payload.Length));
    }

    private OutboxQueue Memory(int messages, long bytes = 1000, TimeSpan keep = default)
        => new(new() { MemoryMessages = messages, MemoryBytes = bytes, KeepAcknowledged = keep }, _time, null,
            (entry, reason) => _dropped.Add((Text(entry), reason)));

    private static void Add(OutboxQueue outbox, MqttTopic topic, params string[] texts)
    {
        foreach (var text in texts) outbox.Add(topic, Encoding.ASCII.GetBytes(text));
    }

    private static void Acknowledge(OutboxQueue outbox) =>
        Assert.NotNull(outbox.Complete(outbox.Take()!.Token, accepted: true));

    private static List<OutboxEntry> TakeAll(OutboxQueue outbox)
    {
        var all = new List<OutboxEntry>();
        while (outbox.Take() is { } entry) all.Add(entry);
        return all;
    }

    private static string Text(OutboxEntry entry) => Encoding.ASCII.GetString(entry.Payload);

    private static IEnumerable<string> Texts(IEnumerable<OutboxEntry> entries) => entries.Select(Text);
}
