using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Supervision;

namespace Dvis.Streaming.Sources;

/// <summary>Opens a source for one frame to see whether it works and what it is (<c>dvis probe</c>).</summary>
public static class SourceProbe
{
    /// <summary>Never throws for what is wrong with the source: that is the report.</summary>
    /// <param name="options">Validated.</param>
    /// <param name="openCv">As for <see cref="SourceFactory.Create"/>.</param>
    public static async Task<SourceReport> ProbeAsync(
        SourceOptions options, TimeProvider time, CancellationToken stop, IFrameDecoder? openCv = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var pool = new FramePool();
        var facts = new SourceFacts();
        var source = SourceFactory.CreateRaw("probe", options, facts, pool, time, openCv);
        var began = time.GetTimestamp();
        await using var session = new SupervisedSession(
            source, options.Rtsp.ConnectTimeout + options.Rtsp.StallTimeout, options.Rtsp.StallTimeout, time, stop);
        using var frame = await session.NextAsync();
        stop.ThrowIfCancellationRequested();
        if (frame is null)
        {
            var fault = session.Fault ?? new SourceException(SourceFault.Eof, "There is no picture in it.");
            return new SourceReport(fault.Fault, fault.Message);
        }

        return new SourceReport(SourceFault.Ok, null)
        {
            Codec = facts.Codec ?? (options.Synthetic is null ? null : "synthetic"),
            Width = frame.Width,
            Height = frame.Height,
            Fps = facts.NominalFps ?? options.Synthetic?.Fps,
            Timebase = frame.Info.Timebase,
            FirstFrame = time.GetElapsedTime(began),
        };
    }
}

/// <summary>What a probe found.</summary>
/// <param name="Fault"><see cref="SourceFault.Ok"/>, or why there is no picture.</param>
/// <param name="Detail">Redacted text for a person; null when all is well.</param>
public sealed record SourceReport(SourceFault Fault, string? Detail)
{
    /// <summary>For example <c>h264</c>.</summary>
    public string? Codec { get; init; }

    /// <summary>Pixels.</summary>
    public int Width { get; init; }

    /// <summary>Pixels.</summary>
    public int Height { get; init; }

    /// <summary>Frames a second that the stream claims; null when it does not say.</summary>
    public double? Fps { get; init; }

    public Timebase Timebase { get; init; }

    /// <summary>From the start of the connection to the first decoded frame.</summary>
    public TimeSpan FirstFrame { get; init; }
}
