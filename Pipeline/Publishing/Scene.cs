using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Publishing;

/// <summary>
/// What a panoptic or semantic model says of a frame beside the tracks: with task <c>vps</c> the stuff (the things are the tracks), with
/// <c>vss</c> every class in the picture. Together with the tracks no cell of the grid belongs to two of them.
/// </summary>
/// <param name="Map">Null when no map is wanted.</param>
public sealed record Scene(ImmutableArray<Region> Regions, SegmentMap? Map);

/// <summary>All of one class in one frame.</summary>
/// <param name="Score">0 … 1, the best of its queries; 0 with task <c>vss</c>, which has no score.</param>
public sealed record Region(
    int ClassId, float Score, Box Box, double AreaPx, float CentroidX, float CentroidY, bool Truncated, RunLengthMask Mask);

/// <summary>Every cell of the mask grid at once.</summary>
/// <param name="Entries">What the values stand for; 0 stands for nothing.</param>
/// <param name="Runs">Value, length, value, length, … down the columns; the lengths sum to Width*Height.</param>
public sealed record SegmentMap(int Width, int Height, ImmutableArray<MapEntry> Entries, int[] Runs);

/// <param name="Value">1, 2, … with task <c>vps</c>; class id + 1 with <c>vss</c>.</param>
/// <param name="Track">Number of a thing's track; null for stuff and classes.</param>
public readonly record struct MapEntry(int Value, int ClassId, long? Track);

/// <summary>The last word on what was beside the tracks in a final window.</summary>
/// <param name="Regions">Classes over the window, as tracks without a number.</param>
/// <param name="Retracted">Classes that provisional results showed in these frames and that are in none of them.</param>
/// <param name="Maps">One for each frame of the window; empty when no maps are wanted.</param>
public sealed record SceneRevision(ImmutableArray<FinalTrack> Regions, ImmutableArray<int> Retracted, ImmutableArray<SegmentMap> Maps);

/// <summary>Numbers of segments: those of classes and those of tracks never meet.</summary>
public static class SegmentIds
{
    /// <summary>Class ids end below this, see <c>manifest.json</c>.</summary>
    public const long FirstThing = 65536;

    /// <summary>Class id + 1 for stuff and classes, <see cref="FirstThing"/> + number of the track for things; stable within the epoch.</summary>
    public static long Of(int classId, long? track) => track is { } number ? FirstThing + number : classId + 1;
}
