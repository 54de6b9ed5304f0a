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
    private const int MostRedirects = 5;
    private SenderReports? _reports; // of the running session

    public bool IsLive => true;

    public IDecoderFacts? Decoder { get; private set; }

    public long Packets => Volatile.Read(ref _reports)?.Packets ?? 0;

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var address = RtspAddress.Parse(options.Url!, options.Username, options.Password);
        FfmpegProcess.Require(options.Decode.Ffmpeg); // before connecting to the camera
        for (var redirects = 0; ; redirects++)
        {
            var began = time.GetTimestamp();
            // Datagrams go to the decoder directly, and with them their reports.
            var reports = options.Rtsp.Transport == RtspTransport.Tcp
                ? new SenderReports(options.Clock.MaxSkew, time)
                : null;
            Volatile.Write(ref _reports, reports);
            var direct = reports is null && !address.Secure && !address.HasLogin && !address.HasQuery;
            await using var relay = direct
                ? null
                : await RtspRelay.OpenAsync(
                    address, options.Rtsp.Tls, reports, options.Rtsp.ConnectTimeout, time, stop);
            var redactor = new Redactor([options.Password, .. RtspAddress.Secrets(options.Url!)])
            { Alias = relay is null ? null : (relay.Url, address.Url) };
            var arguments = FfmpegCommand.ForRtsp(
                relay?.Url ?? address.Url, options.Rtsp.Transport, options.Rtsp.ConnectTimeout);
            await using var session = await FfmpegSession.StartAsync(
                options.Decode.Ffmpeg, arguments, redactor, camera, pool, time, FfmpegCommand.CameraPtsOffset);
            while (await session.ReadAsync(stop) is { } frame)
            {
                Decoder = session.Facts;
                if (reports is not null)
                    frame = frame with { Pts = reports.TimestampOf(frame.Pts, isFirst: session.Frames == 1) };
                if (options.Clock.UsesReports)
                    frame = frame with { Capture = reports?.At(frame.Pts, frame.ReceivedTicks, frame.Received) };
                yield return frame;
            }

            if (stop.IsCancellationRequested) yield break;
            var fault = await session.EndAsync();
            if (relay is not null && await relay.EndAsync() is { } refused) throw refused;
            if (session.Frames > 0 || relay?.Location is not { } location)
                throw Ended(session, fault, time.GetElapsedTime(began));
            if (redirects == MostRedirects)
                throw new SourceException(SourceFault.Config, "The camera redirects again and again.");
            address = address.Follow(location);
        }
    }

    // However ffmpeg ended, a camera that sends no more has failed.
    private SourceException Ended(FfmpegSession session, SourceException? fault, TimeSpan lasted)
    {
        if (session.Frames > 0 || fault is null)
            return new SourceException(session.Log.Classify(SourceFault.Eof), session.Log.Tail is { Length: > 0 } tail
                ? tail
                : "The camera ended the stream.");
        // ffmpeg reports "Invalid data" when no answer came in time.
        return fault.Fault == SourceFault.DecodeErrors && session.Log.DecodeErrors == 0
            && lasted >= options.Rtsp.ConnectTimeout
            ? new SourceException(SourceFault.Timeout, "The camera did not answer in time.", fault)
            : fault;
    }
}
