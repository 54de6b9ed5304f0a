using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Live stream over HTTP (motion JPEG), RTMP or SRT: one connection. Timestamps are those of the container; motion JPEG
/// has none, and the arrival stands for them.
/// </summary>
internal sealed class StreamSource(string camera, SourceOptions options, FramePool pool, TimeProvider time) : IRawSource
{
    private static readonly Timebase s_arrival = new(1, 1_000_000);

    public bool IsLive => true;

    public IDecoderFacts? Decoder { get; private set; }

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var address = StreamAddress.Parse(options.Url!, options.Username, options.Password);
        var script = FfmpegCommand.StreamScript(address, options.Rtsp);
        var secret = new Uri(address.Url).UserInfo.Split(':', 2).ElementAtOrDefault(1);
        await using var session = await FfmpegSession.StartAsync(
            options.Decode.Ffmpeg, FfmpegCommand.ForStream(address), new Redactor(options.Password, secret), camera,
            pool, time, FfmpegCommand.CameraPtsOffset, script);
        while (await session.ReadAsync(stop) is { } frame)
        {
            Decoder = session.Facts;
            yield return address.HasClock ? frame : frame with
            {
                Pts = (long)time.GetElapsedTime(0, frame.ReceivedTicks).TotalMicroseconds,
                Timebase = s_arrival,
            };
        }

        if (stop.IsCancellationRequested) yield break;

        // However ffmpeg ended, a camera that sends no more has failed.
        var fault = await session.EndAsync();
        throw session.Frames == 0 && fault is not null
            ? fault
            : new SourceException(session.Log.Classify(SourceFault.Eof), session.Log.Tail is { Length: > 0 } tail
                ? tail
                : "The camera ended the stream.");
    }
}
