using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>A capture device, such as a USB camera: one session. Timestamps are the driver's,
/// capture times the moments of arrival.</summary>
internal sealed class DeviceSource(string camera, Func<IFrameSession> open, SourceFacts facts) : IFrameSource
{
    public string Camera => camera;

    public bool IsLive => true;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        await using var session = open();
        while (await session.ReadAsync(stop) is { } frame)
        {
            facts.Update(session.Facts);
            yield return frame;
        }

        if (stop.IsCancellationRequested) yield break;

        // However the frames ended, a device that sends no more has failed.
        throw await session.EndAsync() ?? new SourceException(SourceFault.Eof, "The device ended the stream.");
    }
}
