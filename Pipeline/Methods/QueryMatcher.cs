using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// Hungarian match of this frame's queries to the last matched ones: cost 1 − cosine, rows = previous, columns =
/// current (DVIS, section 3.1; MinVIS). One per camera; not thread-safe.
/// </summary>
public sealed class QueryMatcher(int queries, int channels, MatchingRule rule)
{
    private const float Epsilon = 1e-6f;
    private readonly Assignment _assignment = new(queries);
    private readonly float[] _previous = new float[queries * channels], _current = new float[queries * channels];
    private readonly float[] _cost = new float[queries * queries];
    private readonly int[] _columnOf = new int[queries];

    /// <summary>Brings the current queries into the order of the previous ones; all shapes [Q,C].</summary>
    /// <param name="sources">Shape [Q]: the current query in each matched row.</param>
    public void Align(
        ReadOnlySpan<float> previous, ReadOnlySpan<float> current, Span<float> matched, Span<int> sources)
    {
        Normalise(previous, _previous);
        Normalise(current, _current);
        for (var i = 0; i < queries; i++)
        {
            var row = _previous.AsSpan(i * channels, channels);
            for (var j = 0; j < queries; j++)
                _cost[i * queries + j] = 1 - TensorPrimitives.Dot(row, _current.AsSpan(j * channels, channels));
        }

        _assignment.Solve(_cost, _columnOf);
        for (var i = 0; i < queries; i++)
        {
            var (from, to) = rule == MatchingRule.Aligned ? (_columnOf[i], i) : (i, _columnOf[i]);
            sources[to] = from;
            current.Slice(from * channels, channels).CopyTo(matched[(to * channels)..]);
        }
    }

    private void Normalise(ReadOnlySpan<float> rows, Span<float> unit)
    {
        for (var i = 0; i < queries; i++)
        {
            var row = rows.Slice(i * channels, channels);
            TensorPrimitives.Divide(row, TensorPrimitives.Norm(row) + Epsilon, unit.Slice(i * channels, channels));
        }
    }
}
