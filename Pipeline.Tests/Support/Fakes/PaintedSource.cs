using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>Pictures of 64 x 64 pixels that <see cref="FakeDvis"/> understands:
/// each object a block of 16 x 12 pixels on its own line, moving to the right.</summary>
/// <param name="frames">How many; endless when null.</param>
/// <param name="visible">Whether an object is in a frame.</param>
internal sealed class PaintedSource(FramePool pool, TimeProvider time, int? frames, Func<int, int, bool> visible)
    : IFrameSource
{
    public string Camera => "cam";

    public bool IsLive { get; init; }

    /// <summary>Awaited before frame <c>i</c> is given out.</summary>
    public Func<int, CancellationToken, ValueTask>? Before { get; init; }

    /// <summary>Called when the last frame was taken.</summary>
    public Action? After { get; init; }

    /// <summary>Thrown after the last frame.</summary>
    public Exception? Failure { get; init; }

    /// <summary>Changes what is stamped on a frame.</summary>
    public Func<FrameInfo, FrameInfo> Info { get; init; } = info => info;

    /// <summary>Session of frame <c>i</c>.</summary>
    public Func<int, int> Session { get; init; } = _ => 0;

    /// <summary>How long ago frame <c>i</c> was received when it is given out.</summary>
    public Func<int, TimeSpan> Age { get; init; } = _ => TimeSpan.Zero;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        for (var i = 0; frames is null || i < frames; i++)
        {
            stop.ThrowIfCancellationRequested();
            if (Before is not null) await Before(i, stop);
            yield return Paint(i);
        }

        After?.Invoke();
        if (Failure is not null) throw Failure;
    }

    private Frame Paint(int i)
    {
        var received = time.GetTimestamp() - (long)(Age(i).TotalSeconds * time.TimestampFrequency);
        var info = Some.FrameInfo(64, 64, i + 1) with { ReceivedTicks = received, Session = Session(i) };
        var frame = pool.Rent(64, 64, Info(info));
        frame.Pixels.Clear();
        frame.Pixels[2] = (byte)(i % 7); // the rotation of the queries
        for (var item = 0; item < FakeDvis.Queries; item++)
        {
            if (!visible(i, item)) continue;
            var left = (i / 4 + item * 3) % 13 * 4;
            for (var y = item * 16 + 4; y < item * 16 + 16; y++)
                for (var x = left; x < left + 16; x++) frame.Pixels[(y * frame.Width + x) * 3] = FakeDvis.Red(item);
        }

        return frame;
    }
}
