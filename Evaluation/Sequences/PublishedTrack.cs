using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>A track's id on the wire: numbers restart at each epoch.</summary>
public readonly record struct TrackId(string Epoch, long Number);

/// <summary>One track in one frame, as published.</summary>
public sealed record PublishedTrack(TrackId Id, int ClassId, RunLengthMask Mask)
{
    /// <summary>The track with the highest IoU, the first of several; null and 0 where none touches the mask.</summary>
    /// <param name="tracks">Of one frame; masks on the grid of <paramref name="mask"/>.</param>
    public static (PublishedTrack? Track, double IoU) Best(IReadOnlyList<PublishedTrack> tracks, RunLengthMask mask)
    {
        var best = (Track: (PublishedTrack?)null, IoU: 0.0);
        foreach (var track in tracks)
            if (RunLengths.IoU(track.Mask, mask) is var iou && iou > best.IoU) best = (track, iou);
        return best;
    }
}
