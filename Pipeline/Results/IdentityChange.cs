using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Merge of tracks that turned out to be one object.</summary>
public sealed record IdentityChange(ImmutableArray<long> From, long Into, long AtFrame);
