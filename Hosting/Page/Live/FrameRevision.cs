using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Data of the event <c>final</c>: a shown frame after the refiner.</summary>
/// <param name="DelayMs">From the provisional result to the final one.</param>
/// <param name="Retracted">Ids that were shown in this frame and are not in its final.</param>
internal sealed record FrameRevision(
    string Camera, long Frame, string Epoch, string Kind, string? Reason, double DelayMs, RefineLatency Latency,
    RevisedTrackView[] Tracks, RegionView[] Regions, string[] Retracted, MergeView[] Merged)
{
    // Below it the masks differ visibly; outlines that are cells apart stay above.
    private const double SameMask = 0.8;

    public static FrameRevision Of(
        ShownFrame shown, FinalResult final, TimeSpan delay, ModelManifest model, TrackViews views)
    {
        var epoch = final.Epoch;
        var (width, height) = (shown.Result.Frame.Width, shown.Result.Frame.Height);
        var merges = final.Identity.SelectMany(m => m.From.Select(from => (From: from, m.Into))).ToArray();
        var before = shown.Result.Tracks.ToLookup(t => Resolve(t.Number, merges));
        var tracks = final.Tracks
            .Select(t => (Track: t, Seen: t.Frames.FirstOrDefault(f => f.FrameId == shown.Number)))
            .Where(t => t.Seen is { Visible: true })
            .Select(t => Track(t.Track, t.Seen!, before[t.Track.Number].FirstOrDefault()))
            .ToArray();
        var numbers = tracks.Select(t => t.Number).ToHashSet();
        // A skipped window has no statement about its tracks.
        var gone = final.Kind == FinalKind.Skipped
            ? []
            : shown.Result.Tracks.Where(t => !numbers.Contains(Resolve(t.Number, merges)))
                .Select(t => TrackIds.Of(epoch, t.Number));
        var regions = (final.Scene?.Regions ?? [])
            .Select(r => (r.ClassId, Seen: r.Frames.FirstOrDefault(f => f.FrameId == shown.Number)))
            .Where(r => r.Seen?.Mask is not null)
            .Select(r => views.Of(model, r.ClassId, r.Seen!.Score, r.Seen.Mask!, (width, height)));
        return new(
            final.Camera, shown.Number, epoch, EnumName.Of(final.Kind),
            final.Reason == FinalReason.None ? null : EnumName.Of(final.Reason), LiveJson.Milliseconds(delay),
            new(final.Latency.Refine is { } refine ? LiveJson.Tenths(refine) : null), tracks, [.. regions],
            [.. gone],
            [
                .. merges.Where(m => shown.Result.Tracks.Any(t => t.Number == m.From))
                    .Select(m => new MergeView(TrackIds.Of(epoch, m.From), TrackIds.Of(epoch, m.Into))),
            ]);

        RevisedTrackView Track(FinalTrack track, FinalObservation seen, TrackObservation? old)
        {
            var view = views.Of(
                model, epoch, track.Number, track.ClassId, seen.Score, old?.State ?? TrackState.Active, seen.Box,
                seen.Mask, (width, height));
            var iou = MaskOverlap.IoU(old?.Mask, seen.Mask);
            var change = old is null ? "new"
                : old.ClassId != track.ClassId ? "class"
                : iou < SameMask ? "mask"
                : null;
            var was = change == "class" ? model.Classes[old!.ClassId].Name : null;
            return new(view, change, was, iou is { } share ? Math.Round(share, 3) : null);
        }
    }

    private static long Resolve(long number, (long From, long Into)[] merges)
    {
        foreach (var (from, into) in merges)
            if (from == number) number = into;
        return number;
    }
}

internal sealed record RefineLatency(double? Refine);

/// <summary>Two ids that turned out to be one object.</summary>
internal sealed record MergeView(string From, string Into);
