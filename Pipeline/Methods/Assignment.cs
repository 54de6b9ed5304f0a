namespace Dvis.Streaming.Pipeline.Methods;

/// <summary>
/// Linear assignment by shortest augmenting paths (Jonker and Volgenant 1987, in the form of Crouse 2016): the
/// permutation of least total cost, in O(n³). Buffers are reused; not thread-safe.
/// </summary>
public sealed class Assignment(int size)
{
    private readonly double[] _u = new double[size], _v = new double[size], _shortest = new double[size];
    private readonly int[] _path = new int[size], _rowOf = new int[size], _remaining = new int[size];
    private readonly bool[] _rowSeen = new bool[size], _columnSeen = new bool[size];

    /// <summary>Assigns each row a column. NaN counts as 0.</summary>
    /// <param name="cost">Shape [n,n], row-major.</param>
    /// <param name="columnOf">Shape [n]: the column of each row.</param>
    public void Solve(ReadOnlySpan<float> cost, Span<int> columnOf)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cost.Length, size * size);
        ArgumentOutOfRangeException.ThrowIfNotEqual(columnOf.Length, size);
        Array.Clear(_u);
        Array.Clear(_v);
        columnOf.Fill(-1);
        Array.Fill(_rowOf, -1);
        for (var row = 0; row < size; row++)
        {
            var (sink, length) = Augment(cost, row);
            _u[row] += length;
            for (var i = 0; i < size; i++)
                if (_rowSeen[i] && i != row) _u[i] += length - _shortest[columnOf[i]];
            for (var j = 0; j < size; j++)
                if (_columnSeen[j]) _v[j] -= length - _shortest[j];

            for (var j = sink; ;)
            {
                var i = _path[j];
                _rowOf[j] = i;
                (columnOf[i], j) = (j, columnOf[i]);
                if (i == row) break;
            }
        }
    }

    /// <summary>Dijkstra over reduced costs from <paramref name="row"/> to the nearest free column.</summary>
    private (int Sink, double Length) Augment(ReadOnlySpan<float> cost, int row)
    {
        // Filled in reverse: on ties the lowest column wins, and an all-equal matrix gives the identity.
        for (var k = 0; k < size; k++) _remaining[k] = size - k - 1;
        var left = size;
        Array.Clear(_rowSeen);
        Array.Clear(_columnSeen);
        Array.Fill(_shortest, double.PositiveInfinity);
        double length = 0;
        for (var i = row; ;)
        {
            _rowSeen[i] = true;
            var (best, lowest) = (-1, double.PositiveInfinity);
            for (var k = 0; k < left; k++)
            {
                var j = _remaining[k];
                var c = cost[i * size + j];
                var reduced = length + (float.IsNaN(c) ? 0 : c) - _u[i] - _v[j];
                if (reduced < _shortest[j]) (_shortest[j], _path[j]) = (reduced, i);
                // A free column of equal length ends the path sooner.
                if (_shortest[j] < lowest || (_shortest[j] == lowest && _rowOf[j] == -1))
                    (best, lowest) = (k, _shortest[j]);
            }

            if (double.IsPositiveInfinity(lowest))
                throw new ArgumentException("The cost matrix has an infinite entry where a finite one is needed.",
                    nameof(cost));
            length = lowest;
            var column = _remaining[best];
            _columnSeen[column] = true;
            _remaining[best] = _remaining[--left];
            if (_rowOf[column] == -1) return (column, length);
            i = _rowOf[column];
        }
    }
}
