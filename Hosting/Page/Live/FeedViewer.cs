using System.Globalization;
using System.Text;
using System.Threading.Channels;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>
/// Viewer of the live feed: a bounded queue of server-sent events. When it is full the oldest shown frame is dropped
/// and counted for the next one of its camera, its final with it; then the oldest of the rest.
/// </summary>
internal sealed class FeedViewer(IReadOnlySet<string>? cameras, double fps, bool revises, TimeProvider time)
    : LiveViewer(cameras, fps)
{
    private const int Capacity = 64;

    // Frames without a final yet: at 10 frames per second and 3 s of delay some 30 per camera.
    private const int MaxShown = 1024;

    // Cameras are shown at the rate of their most demanding viewer; this one takes the next frame of its own rate.
    private const double Tolerance = 0.75;

    private readonly Lock _gate = new(); // around all below
    private readonly LinkedList<Item> _items = [];
    private readonly Dictionary<string, long> _last = [], _missed = [];
    private readonly Queue<ShownFrame> _order = new();
    private readonly HashSet<ShownFrame> _shown = new(ReferenceEqualityComparer.Instance);

    private readonly Channel<bool> _filled = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private enum Kind
    {
        Frame,
        Final,
        Camera,
        Event,
    }

    public override bool Revises => revises;

    public override void Show(ShownFrame frame)
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (_last.TryGetValue(frame.Camera, out var last)
                && time.GetElapsedTime(last, now).TotalSeconds < Tolerance / Fps) return;
            _last[frame.Camera] = now;
            if (_order.Count == MaxShown) _shown.Remove(_order.Dequeue());
            _order.Enqueue(frame);
            _shown.Add(frame);
            Add(new(Kind.Frame, frame.Camera, frame, frame.Json));
        }
    }

    public override void Revise(ShownFrame frame, byte[] json)
    {
        lock (_gate)
            if (_shown.Remove(frame)) Add(new(Kind.Final, frame.Camera, frame, json));
    }

    public override void Tell(string camera, byte[] json)
    {
        lock (_gate)
        {
            if (Oldest(i => i.Kind == Kind.Camera && i.Camera == camera) is { } waiting) _items.Remove(waiting);
            Add(new(Kind.Camera, camera, null, json));
        }
    }

    public override void Report(string camera, byte[] json)
    {
        lock (_gate) Add(new(Kind.Event, camera, null, json));
    }

    /// <summary>Waits for events, and returns all that wait, as server-sent events.</summary>
    public async ValueTask<byte[]> NextAsync(CancellationToken cancel)
    {
        await _filled.Reader.ReadAsync(cancel);
        using var text = new MemoryStream();
        lock (_gate)
        {
            foreach (var item in _items) Write(text, item);
            _items.Clear();
        }

        return text.ToArray();
    }

    /// <summary>One server-sent event.</summary>
    public static byte[] Event(string name, ReadOnlySpan<byte> json)
    {
        using var text = new MemoryStream();
        Begin(text, name);
        text.Write(json);
        text.Write("\n\n"u8);
        return text.ToArray();
    }

    // Under _gate, as are those below.
    private void Add(Item item)
    {
        _items.AddLast(item);
        if (_items.Count > Capacity) Drop(Oldest(i => i.Kind == Kind.Frame) ?? _items.First!);
        _filled.Writer.TryWrite(true);
    }

    private void Drop(LinkedListNode<Item> node)
    {
        _items.Remove(node);
        if (node.Value is not { Kind: Kind.Frame, Frame: { } frame } dropped) return;
        _missed[dropped.Camera] = _missed.GetValueOrDefault(dropped.Camera) + 1;
        _shown.Remove(frame);
        if (Oldest(i => i.Kind == Kind.Final && i.Frame == frame) is { } final) _items.Remove(final);
    }

    private LinkedListNode<Item>? Oldest(Predicate<Item> match)
    {
        var node = _items.First;
        while (node is not null && !match(node.Value)) node = node.Next;
        return node;
    }

    private void Write(MemoryStream text, Item item)
    {
        Begin(text, item.Kind.ToString().ToLowerInvariant());
        if (item.Kind != Kind.Frame) text.Write(item.Json);
        else
        {
            _missed.Remove(item.Camera, out var missed);
            text.Write(item.Json.AsSpan(0, item.Json.Length - 1));
            text.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $",\"missed\":{missed}}}")));
        }

        text.Write("\n\n"u8);
    }

    private static void Begin(MemoryStream text, string name) =>
        text.Write(Encoding.UTF8.GetBytes($"event: {name}\ndata: "));

    /// <param name="Frame">Of a frame and of its final; else null.</param>
    private sealed record Item(Kind Kind, string Camera, ShownFrame? Frame, byte[] Json);
}
