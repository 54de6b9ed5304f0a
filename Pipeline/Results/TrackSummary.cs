using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>The life of a track in one glance, sent with its last events.</summary>
public sealed record TrackSummary(
    DateTimeOffset First, DateTimeOffset Last, double DurationSeconds, float MaxScore,
    ImmutableArray<KeyValuePair<int, int>> ClassVotes, long BestFrameId, int Frames);
