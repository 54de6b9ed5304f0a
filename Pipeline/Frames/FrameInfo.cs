namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>Data of a frame, from the source to the last message.</summary>
/// <param name="Camera">Camera name, <c>[a-z0-9_-]{1,64}</c>.</param>
/// <param name="FrameId">Strictly increasing for the life of the camera, over all sessions.</param>
/// <param name="Session">Number of the source session (0, 1, …): another number breaks continuity.</param>
/// <param name="Pts">Media time of the container in ticks of <paramref name="Timebase"/>, extended over wraps.</param>
/// <param name="Timebase">Length of one tick, for example 1/90000.</param>
/// <param name="ReceivedTicks"><see cref="TimeProvider.GetTimestamp"/> when the decoded frame arrived.</param>
/// <param name="Received">UTC at the same moment; a stamp, never used for durations.</param>
/// <param name="Capture">Best estimate of the capture time.</param>
/// <param name="Width">Source pixels.</param>
/// <param name="Height">Source pixels.</param>
public sealed record FrameInfo(
    string Camera,
    long FrameId,
    int Session,
    long Pts,
    Timebase Timebase,
    long ReceivedTicks,
    DateTimeOffset Received,
    CaptureTime Capture,
    int Width,
    int Height)
{
    /// <summary>Time from the decoded frame to <paramref name="now"/>, on the monotonic clock.</summary>
    /// <param name="now"><see cref="TimeProvider.GetTimestamp"/>.</param>
    public TimeSpan Age(TimeProvider time, long now) => time.GetElapsedTime(ReceivedTicks, now);

    /// <summary>
    /// Time from capture to <paramref name="now"/>, unchanged by later steps of the wall clock; null without a
    /// synchronised clock.
    /// </summary>
    public TimeSpan? CaptureAge(TimeProvider time, long now) =>
        Capture.Synced ? Received - Capture.Stamp + Age(time, now) : null;
}

/// <summary>Seconds per tick, as a fraction.</summary>
public readonly record struct Timebase(int Numerator, int Denominator)
{
    public double ToSeconds(long ticks) => (double)ticks * Numerator / Denominator;

    public override string ToString() => $"{Numerator}/{Denominator}";
}

/// <summary>Source of an estimate of the capture time; on the wire in snake case.</summary>
public enum ClockSource
{
    /// <summary>Time of arrival.</summary>
    Arrival,

    /// <summary>Modification time of the file plus media time.</summary>
    FileMtime,

    /// <summary>Media time of a file without a date, from the start of the run.</summary>
    FilePts,

    /// <summary>RTCP sender reports of the camera.</summary>
    RtcpSr,

    /// <summary>Rendered here: exact.</summary>
    Synthetic,
}

/// <summary>Estimated capture time.</summary>
/// <param name="Stamp">UTC.</param>
/// <param name="OffsetMs">Host clock minus camera clock in milliseconds; 0 when unknown.</param>
/// <param name="ErrorMs">Bound of the error in milliseconds, or null.</param>
/// <param name="Synced">True when capture-to-publish latency may be computed from it.</param>
public readonly record struct CaptureTime(DateTimeOffset Stamp, ClockSource Source, double OffsetMs, double? ErrorMs,
    bool Synced);
