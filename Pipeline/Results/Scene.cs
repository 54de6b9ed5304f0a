using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>
/// What a panoptic or semantic model says of a frame beside the tracks: with task <c>vps</c> the stuff (the things are
/// the tracks), with <c>vss</c> every class in the picture. Together with the tracks no cell of the grid belongs to two
/// of them.
/// </summary>
/// <param name="Map">Null when no map is wanted.</param>
public sealed record Scene(ImmutableArray<Region> Regions, SegmentMap? Map);
