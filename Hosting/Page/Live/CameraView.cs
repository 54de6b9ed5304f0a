using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>State of a camera, as the page shows it.</summary>
/// <param name="Since">Of the state, UTC; null before the first.</param>
/// <param name="LastFrame">Of the last provisional result; null before the first.</param>
/// <param name="LastFrameAgeMs">Since its capture, or its receipt where that is unknown.</param>
internal sealed record CameraView(
    string Name, string State, DateTime? Since, string Reason, string? Detail, int Attempt, double? NextRetryS,
    string? Codec, int? Width, int? Height, string Run, double FpsIn, double FpsOut, double DroppedShare,
    string? DropReason, bool Overloaded, LatencyView Latency, ClockView? Clock, long? LastFrame,
    double? LastFrameAgeMs, string? Epoch, long ActiveTracks, ZoneView[] Zones, LineView[] Lines, string[] Warnings)
{
    public static CameraView Of(CameraBoard board, TimeProvider time)
    {
        var (status, recent, shown) = (board.Status, board.Recent, board.LastFrame);
        var now = time.GetTimestamp();
        var frame = shown ?? status?.LastFrame;
        return new(
            board.Name, EnumName.Of(board.State), status?.Since.UtcDateTime,
            EnumName.Of(status?.Reason ?? SourceFault.Ok),
            status?.Detail, status?.Attempt ?? 0, status?.NextRetrySeconds, status?.Codec, frame?.Width, frame?.Height,
            EnumName.Of(board.Run), LiveJson.Tenths(recent.FpsIn), LiveJson.Tenths(recent.FpsOut),
            Math.Round(recent.DroppedShare, 3), recent.Reason, recent.Overloaded, LatencyView.Of(recent),
            frame is null ? null : ClockView.Of(frame.Capture), shown?.FrameId,
            shown is null ? null : LiveJson.Milliseconds(shown.CaptureAge(time, now) ?? shown.Age(time, now)),
            board.Epoch, board.Counts.Active, ZoneView.Of(board, frame), LineView.Of(board, frame),
            [.. board.Warnings.Select(w => w.Detail)]);
    }
}

/// <summary>Latencies of the last ten seconds.</summary>
/// <param name="From"><c>capture</c> or <c>receipt</c>.</param>
internal sealed record LatencyView(string From, PercentileView Provisional, PercentileView Final)
{
    public static LatencyView Of(RecentFigures recent) => new(
        recent.FromCapture ? "capture" : "receipt", PercentileView.Of(recent.Provisional),
        PercentileView.Of(recent.Final));
}

/// <summary>Percentiles in milliseconds; null without any result.</summary>
internal sealed record PercentileView(double? P50Ms, double? P95Ms)
{
    public static PercentileView Of(LatencyFigures figures) =>
        new(Milliseconds(figures.P50), Milliseconds(figures.P95));

    private static double? Milliseconds(double? seconds) => seconds is { } s ? LiveJson.Tenths(s * 1000) : null;
}

/// <param name="OffsetMs">Host clock minus camera clock; null when it is unknown.</param>
internal sealed record ClockView(string Source, double? OffsetMs)
{
    public static ClockView Of(CaptureTime capture) => new(
        EnumName.Of(capture.Source), capture.Synced ? LiveJson.Tenths(capture.OffsetMs) : null);
}
