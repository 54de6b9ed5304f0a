using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>The last word on what was beside the tracks in a final window.</summary>
/// <param name="Regions">Classes over the window, as tracks without a number.</param>
/// <param name="Retracted">Classes that provisional results showed in these
/// frames and that are in none of them.</param>
/// <param name="Maps">One for each frame of the window; empty when no maps are wanted.</param>
public sealed record SceneRevision(
    ImmutableArray<FinalTrack> Regions, ImmutableArray<int> Retracted, ImmutableArray<SegmentMap> Maps);
