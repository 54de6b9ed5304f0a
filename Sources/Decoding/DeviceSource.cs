using System.Runtime.CompilerServices;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>Capture device, such as a USB camera. Timestamps are the driver's.</summary>
internal sealed class DeviceSource(Func<IFrameSession> open) : IRawSource
{
    public bool IsLive => true;

    public IDecoderFacts? Decoder { get; private set; }

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        await using var session = open();
        while (await session.ReadAsync(stop) is { } frame)
        {
            Decoder = session.Facts;
            yield return frame;
        }

        // However the frames ended, a device that sends no more has failed.
        if (!stop.IsCancellationRequested && await session.EndAsync() is { } fault) throw fault;
    }
}
