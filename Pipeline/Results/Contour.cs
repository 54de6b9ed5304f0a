using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>A closed polygon in source pixels: x0,y0,x1,y1,…</summary>
public sealed record Contour(ImmutableArray<float> Points);
