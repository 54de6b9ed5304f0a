using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>What an independent client received.</summary>
/// <param name="UserProperties"><c>name:value</c> pairs with spaces between, as mosquitto_sub prints them.</param>
internal sealed record ReceivedMessage(string Topic, int Qos, bool Retain, int? Expiry, string ContentType,
    string UserProperties, byte[] Payload)
{
    public string Text => Encoding.UTF8.GetString(Payload);
}

/// <summary>mosquitto_sub on a broker: everything below one topic, in order.
/// Subscribed when <see cref="StartAsync"/> returns.</summary>
internal sealed class MqttSubscriber : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<ReceivedMessage> _received = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Process _process;
    private readonly Task _reading;

    private int _subscribed;
    private volatile bool _ended;

    private MqttSubscriber(Process process)
    {
        _process = process;
        _reading = ReadAsync();
    }

    /// <summary>How often it has subscribed: again when the broker was away.</summary>
    public int Subscribed => Volatile.Read(ref _subscribed);

    public IReadOnlyList<ReceivedMessage> Received
    {
        get { lock (_gate) return [.. _received]; }
    }

    /// <param name="session">Name of a session that the broker keeps while this client is away; null: none.</param>
    public static async Task<MqttSubscriber> StartAsync(MosquittoBroker broker, string filter = "dvis/#",
        string? session = null)
    {
        string[] arguments =
        [
            "-V", "5", "--retain-as-published", "-q", "1", .. broker.ClientArguments(),
            .. session is null ? (string[])[] : ["-c", "-i", session, "-x", "86400"],
            "-t", filter, "-t", MosquittoBroker.ReadyTopic, "-F", "%t|%q|%r|%E|%C|%P|%x",
        ];
        var process = Process.Start(new ProcessStartInfo(MosquittoBroker.Executable("mosquitto_sub")!, arguments)
        { RedirectStandardOutput = true })!;
        var subscriber = new MqttSubscriber(process);
        await subscriber._ready.Task.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        return subscriber;
    }

    public IReadOnlyList<ReceivedMessage> On(string topicEnd) =>
        [.. Received.Where(m => m.Topic.EndsWith(topicEnd, StringComparison.Ordinal))];

    /// <summary>The messages of a topic, once there are as many as that.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> WaitAsync(string topicEnd, int count = 1)
    {
        await Eventually.TrueAsync(() => On(topicEnd).Count >= count,
            $"{count} message(s) on …{topicEnd}; seen: {string.Join(' ', Received.Select(m => m.Topic))}");
        return On(topicEnd);
    }

    public async Task<ReceivedMessage> WaitTextAsync(string topicEnd, string text)
    {
        await Eventually.TrueAsync(() => On(topicEnd).Any(m => m.Text == text), $"{text} on …{topicEnd}");
        return On(topicEnd).Last(m => m.Text == text);
    }

    /// <summary>Waits until nothing has come for a while: what was on its way is here.</summary>
    public async Task SettledAsync()
    {
        for (var (count, quiet) = (-1, 0); quiet < 5; quiet++)
        {
            if (count != Received.Count) (count, quiet) = (Received.Count, 0);
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _ended = true;
        if (!_process.HasExited) _process.Kill();
        await _reading;
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            var fields = line.Split('|');
            if (fields[0] == MosquittoBroker.ReadyTopic)
            {
                Interlocked.Increment(ref _subscribed);
                _ready.TrySetResult();
                continue;
            }

            if (_ended) continue; // the last line may be cut
            var expiry = fields[3].Length == 0 ? (int?)null : int.Parse(fields[3], CultureInfo.InvariantCulture);
            lock (_gate)
                _received.Add(new(fields[0], fields[1][0] - '0', fields[2] == "1", expiry, fields[4], fields[5],
                    Convert.FromHexString(fields[6])));
        }
    }
}
