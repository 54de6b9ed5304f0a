using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

public enum IdentityOp { Merge, Split }

/// <summary>The refiner found that tracks are one (merge) or that one track was two objects (split).</summary>
public sealed record IdentityChange(IdentityOp Op, ImmutableArray<long> From, long Into, long AtFrame);
