using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Supervision;

namespace Dvis.Streaming.Sources;

/// <summary>Opens a source for one frame to see whether it works and what it is (<c>dvis probe</c>).</summary>
public static class SourceProbe
{
    // Cameras with "smart" encoders have up to a minute between key frames.
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(90);

    /// <summary>Report of one source; a source that does not work is no exception.</summary>
    /// <param name="options">Validated.</param>
    /// <param name="openCv">As for <see cref="SourceFactory.Create"/>.</param>
    public static async Task<SourceReport> ProbeAsync(
        SourceOptions options, TimeProvider time, CancellationToken stop, IFrameDecoder? openCv = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var pool = new FramePool();
        var source = SourceFactory.CreateRaw("probe", options, pool, time, openCv);
        var began = time.GetTimestamp();
        var firstWait = options.Rtsp.ConnectTimeout + options.Rtsp.StallTimeout;
        using var limit = new CancellationTokenSource(firstWait + s_longestWait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, limit.Token);
        await using var session = new SupervisedSession(
            source, firstWait, options.Rtsp.StallTimeout, time, either.Token);
        var raw = await session.NextAsync();
        using var frame = raw?.Frame;
        stop.ThrowIfCancellationRequested();
        if (frame is null)
        {
            var fault = session.Fault ?? (limit.IsCancellationRequested
                ? new SourceException(SourceFault.Timeout, "Packets arrive, but no key frame came.")
                : new SourceException(SourceFault.Eof, "There is no frame in it."));
            return new SourceReport(fault.Fault, fault.Message);
        }

        return new SourceReport(
            SourceFault.Ok, null, source.Decoder?.Codec ?? (options.Synthetic is null ? null : "synthetic"),
            frame.Width, frame.Height, source.Decoder?.NominalFps ?? options.Synthetic?.Fps, raw!.Value.Timebase,
            time.GetElapsedTime(began));
    }
}

/// <summary>Result of a probe.</summary>
/// <param name="Fault"><see cref="SourceFault.Ok"/>, or why there is no frame.</param>
/// <param name="Detail">Redacted text for a person; null without a fault.</param>
/// <param name="Codec">For example <c>h264</c>; null when unknown.</param>
/// <param name="Width">Pixels.</param>
/// <param name="Height">Pixels.</param>
/// <param name="Fps">Frames per second that the input declares; null when it declares none.</param>
/// <param name="FirstFrame">From the start of the connection to the first decoded frame.</param>
public sealed record SourceReport(
    SourceFault Fault, string? Detail, string? Codec = null, int Width = 0, int Height = 0, double? Fps = null,
    Timebase Timebase = default, TimeSpan FirstFrame = default);
