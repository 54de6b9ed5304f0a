using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// RTSP camera: one connection. Timestamps are the camera's RTP clock. Capture times come from the camera's sender
/// reports, with a bound of the error; before the first report, and without any, there is only the arrival.
/// </summary>
internal sealed class RtspSource(string camera, SourceOptions options, FramePool pool, TimeProvider time) : IRawSource
{
    public bool IsLive => true;

    public IDecoderFacts? Decoder { get; private set; }

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var address = RtspAddress.Parse(options.Url!, options.Username, options.Password);
        FfmpegProcess.Require(options.Decode.Ffmpeg); // before connecting to the camera
        var began = time.GetTimestamp();
        // Datagrams go to the decoder directly, and with them their reports.
        var reports = options.Rtsp.Transport == RtspTransport.Tcp && options.Clock.UsesReports
            ? new SenderReports(options.Clock.MaxSkew, time)
            : null;
        var direct = reports is null && !address.Secure && !address.HasLogin && !address.HasQuery;
        await using var relay = direct
            ? null
            : await RtspRelay.OpenAsync(address, options.Rtsp.Tls, reports, options.Rtsp.ConnectTimeout, time, stop);
        var redactor = new Redactor([options.Password, .. RtspAddress.Secrets(options.Url!)])
        { Alias = relay is null ? null : (relay.Url, address.Url) };
        var arguments =
            FfmpegCommand.ForRtsp(relay?.Url ?? address.Url, options.Rtsp.Transport, options.Rtsp.ConnectTimeout);
        await using var session = await FfmpegSession.StartAsync(
            options.Decode.Ffmpeg, arguments, redactor, camera, pool, time, FfmpegCommand.CameraPtsOffset);
        while (await session.ReadAsync(stop) is { } frame)
        {
            Decoder = session.Facts;
            yield return frame with { Capture = reports?.At(frame.Pts, frame.ReceivedTicks, frame.Received) };
        }

        if (stop.IsCancellationRequested) yield break;

        // However ffmpeg ended, a camera that sends no more has failed.
        var fault = await session.EndAsync();
        if (relay is not null && await relay.EndAsync() is { } refused) throw refused;
        if (session.Frames == 0 && fault is not null)
        {
            // ffmpeg reports "Invalid data" when no answer came in time.
            if (fault.Fault == SourceFault.DecodeErrors && session.Log.DecodeErrors == 0
                && time.GetElapsedTime(began) >= options.Rtsp.ConnectTimeout)
                throw new SourceException(SourceFault.Timeout, "The camera did not answer in time.", fault);
            throw fault;
        }

        throw new SourceException(session.Log.Classify(SourceFault.Eof), session.Log.Tail is { Length: > 0 } tail
            ? tail
            : "The camera ended the stream.");
    }
}
