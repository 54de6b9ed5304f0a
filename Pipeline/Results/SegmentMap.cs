using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Every cell of the mask grid at once.</summary>
/// <param name="Entries">What the values stand for; 0 stands for nothing.</param>
/// <param name="Runs">Value, length, value, length, … down the columns; the lengths sum to Width*Height.</param>
public sealed record SegmentMap(int Width, int Height, ImmutableArray<SegmentMapEntry> Entries, int[] Runs);

/// <param name="Value">1, 2, … with task <c>vps</c>; class id + 1 with <c>vss</c>.</param>
/// <param name="Track">Number of a thing's track; null for stuff and classes.</param>
public readonly record struct SegmentMapEntry(int Value, int ClassId, long? Track);
