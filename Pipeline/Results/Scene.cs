using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>
/// Result of a panoptic or semantic model for a frame, beside the tracks: with task <c>vps</c> the stuff (the things
/// are the tracks), with <c>vss</c> every class of the frame. No cell of the grid belongs to two of them or of the
/// tracks.
/// </summary>
/// <param name="Map">Null when no map is wanted.</param>
public sealed record Scene(ImmutableArray<Region> Regions, SegmentMap? Map);

/// <summary>All of one class in one frame.</summary>
/// <param name="Score">0 … 1, the best of its queries; 0 with task <c>vss</c>, which has no score.</param>
public sealed record Region(
    int ClassId, float Score, Box Box, double AreaPx, float CentroidX, float CentroidY, bool Truncated,
    RunLengthMask Mask);

/// <summary>Segments of all cells of the mask grid.</summary>
/// <param name="Entries">Segments by value; value 0 has none.</param>
/// <param name="Runs">Value, length, value, length, … down the columns; the lengths sum to Width*Height.</param>
public sealed record SegmentMap(int Width, int Height, ImmutableArray<SegmentMapEntry> Entries, int[] Runs);

/// <param name="Value">1, 2, … with task <c>vps</c>; class id + 1 with <c>vss</c>.</param>
/// <param name="Track">Number of the track of a thing; null for stuff and classes.</param>
public readonly record struct SegmentMapEntry(int Value, int ClassId, long? Track);

/// <summary>Final scene of a window, beside its tracks.</summary>
/// <param name="Regions">Classes over the window, as tracks without a number.</param>
/// <param name="Retracted">Classes that provisional results showed in the window, and that are in no frame.</param>
/// <param name="Maps">One per frame of the window; empty when no maps are wanted.</param>
public sealed record SceneRevision(
    ImmutableArray<FinalTrack> Regions, ImmutableArray<int> Retracted, ImmutableArray<SegmentMap> Maps);

/// <summary>Numbers of segments; those of classes and those of tracks do not overlap.</summary>
public static class SegmentIds
{
    private const long FirstThing = 65536; // above all class ids

    /// <summary>Class id + 1 for stuff and classes, 65536 + track number for things; stable within the epoch.</summary>
    public static long Of(int classId, long? track) => track is { } number ? FirstThing + number : classId + 1;
}
