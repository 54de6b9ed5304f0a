using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// A camera: one connection. Timestamps are the camera's RTP clock. When a picture was taken is known from the camera's
/// sender reports, with a bound of the error; before the first of them, and from cameras that send none, only as the
/// moment it arrived here.
/// </summary>
internal sealed class RtspSource(string camera, SourceOptions options, SourceFacts facts, FramePool pool,
    TimeProvider time) : IFrameSource
{
    private readonly string _url = options.Url ?? throw new ArgumentException("url is not set", nameof(options));

    public string Camera => camera;

    public bool IsLive => true;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var address = Address();
        FfmpegProcess.Require(options.Decode.Ffmpeg); // before a camera is asked for pictures
        var began = time.GetTimestamp();
        // Datagrams go to the decoder: their reports are not seen here.
        var reports = options.Rtsp.Transport == RtspTransport.Tcp && options.Clock.UsesReports
            ? new SenderReports(options.Clock.MaxSkew, time)
            : null;
        var direct = reports is null && !address.Secure && !address.HasLogin && !address.HasQuery;
        await using var relay = direct
            ? null
            : await RtspRelay.OpenAsync(address, options.Rtsp.Tls, reports, options.Rtsp.ConnectTimeout, time, stop);
        var redactor = new Redactor([options.Password, .. RtspAddress.Secrets(_url)])
        { Alias = relay is null ? null : (relay.Url, address.Url) };
        var arguments =
            FfmpegCommand.ForRtsp(relay?.Url ?? address.Url, options.Rtsp.Transport, options.Rtsp.ConnectTimeout);
        await using var session = await FfmpegSession.StartAsync(
            options.Decode.Ffmpeg, arguments, redactor, camera, pool, time, FfmpegCommand.CameraPtsOffset);
        while (await session.ReadAsync(stop) is { } frame)
        {
            facts.Update(session.Log);
            if (reports?.At(frame.Info) is { } capture) frame.Info = frame.Info with { Capture = capture };
            yield return frame;
        }

        if (stop.IsCancellationRequested) yield break;

        // However ffmpeg ended, a camera that sends no more has failed.
        var fault = await session.EndAsync();
        if (relay is not null && await relay.EndAsync() is { } refused) throw refused;
        if (session.Frames == 0 && fault is not null)
        {
            // When its time limit ends the wait for an answer, ffmpeg says "Invalid data", as if there had been one.
            if (fault.Fault == SourceFault.DecodeErrors && session.Log.DecodeErrors == 0
                && time.GetElapsedTime(began) >= options.Rtsp.ConnectTimeout)
                throw new SourceException(SourceFault.Timeout, "The camera did not answer in time.", fault);
            throw fault;
        }

        throw new SourceException(session.Log.Classify(SourceFault.Eof), session.Log.Tail is { Length: > 0 } tail
            ? tail
            : "The camera ended the stream.");
    }

    private RtspAddress Address()
    {
        try
        {
            return RtspAddress.Parse(_url, options.Username, options.Password);
        }
        catch (UriFormatException e)
        {
            throw new SourceException(SourceFault.Config, $"The url {e.Message}.");
        }
    }
}
