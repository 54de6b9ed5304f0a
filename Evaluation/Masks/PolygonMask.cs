using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Masks;

/// <summary>
/// Rasteriser of polygons, equal to COCO's mask interface to the cell: corners are snapped to a grid five times finer,
/// edges are walked there in whole steps, and a column of the mask changes where the walk crosses its middle.
/// </summary>
public static class PolygonMask
{
    private const double Scale = 5;

    private const double Farthest = 1e5; // largest coordinate

    // Steps on the fine grid for one object in one frame: 3 million pixels around.
    // Few coordinates could ask for arbitrarily many.
    private const long LongestWalk = 1 << 24;

    /// <summary>One object of several parts.</summary>
    /// <inheritdoc cref="Rasterize(int, int, ReadOnlySpan{double})"/>
    public static RunLengthMask Rasterize(int width, int height, IReadOnlyList<double[]> polygons)
    {
        if (polygons.Count == 0) throw new FormatException("there is no polygon");
        var parts = new RunLengthMask[polygons.Count];
        var left = LongestWalk;
        for (var i = 0; i < parts.Length; i++) parts[i] = Rasterize(width, height, polygons[i], ref left);
        return RunLengths.Union(parts);
    }

    /// <param name="corners">x, y, x, y, … in pixels.</param>
    /// <exception cref="FormatException">
    /// Fewer than three corners, an odd number of coordinates, a corner far outside, too long a way around, or a wrong
    /// size.
    /// </exception>
    public static RunLengthMask Rasterize(int width, int height, ReadOnlySpan<double> corners)
    {
        var left = LongestWalk;
        return Rasterize(width, height, corners, ref left);
    }

    private static RunLengthMask Rasterize(int width, int height, ReadOnlySpan<double> corners, ref long left)
    {
        var cells = RunLengths.Cells(width, height);
        if (corners.Length < 6 || corners.Length % 2 != 0)
            throw new FormatException($"a polygon has {corners.Length} coordinates, it takes at least three pairs");
        foreach (var value in corners)
            if (!(Math.Abs(value) <= Farthest)) throw new FormatException($"a polygon has the coordinate {value}");

        var changes = new List<int>();
        var (lastX, lastY, first) = (0, 0, true);
        for (var i = 0; i < corners.Length; i += 2)
        {
            var next = (i + 2) % corners.Length;
            var edge = new Edge(Snap(corners[i]), Snap(corners[i + 1]), Snap(corners[next]), Snap(corners[next + 1]));
            if ((left -= edge.Steps) < 0) throw new FormatException("its polygons are too long");
            for (var step = 0; step <= edge.Steps; step++)
            {
                var (x, y) = edge.At(step);
                if (!first && x != lastX && Crossing(lastX, lastY, x, y, width, height) is { } cell) changes.Add(cell);
                (lastX, lastY, first) = (x, y, false);
            }
        }

        changes.Sort();
        return Fill(width, height, cells, changes);
    }

    /// <summary>Towards 0 after adding a half, negative values too.</summary>
    private static int Snap(double value) => (int)(Scale * value + 0.5);

    /// <summary>First cell that changes in a step to another fine column, or null.</summary>
    private static int? Crossing(int fromX, int fromY, int toX, int toY, int width, int height)
    {
        var x = ((toX < fromX ? toX : toX - 1) + 0.5) / Scale - 0.5;
        if (Math.Floor(x) != x || x < 0 || x > width - 1) return null;
        var y = ((toY < fromY ? toY : fromY) + 0.5) / Scale - 0.5;
        return (int)x * height + (int)Math.Ceiling(Math.Clamp(y, 0, height));
    }

    /// <summary>The mask of these changes; two at one cell cancel.</summary>
    private static RunLengthMask Fill(int width, int height, int cells, List<int> changes)
    {
        changes.Add(cells);
        for (var i = changes.Count - 1; i > 0; i--) changes[i] -= changes[i - 1];
        return RunLengths.FromCounts(width, height, CollectionsMarshal.AsSpan(changes));
    }

    /// <summary>
    /// An edge on the fine grid, walked in whole steps along its longer side; the other coordinate is rounded the same
    /// way in both directions.
    /// </summary>
    private readonly struct Edge
    {
        private readonly int _x, _y;
        private readonly double _slope;
        private readonly bool _flat, _flipped;

        public Edge(int x, int y, int endX, int endY)
        {
            var (dx, dy) = (Math.Abs(endX - x), Math.Abs(endY - y));
            _flat = dx >= dy;
            Steps = Math.Max(dx, dy);
            _flipped = _flat ? x > endX : y > endY;
            if (_flipped) (x, y, endX, endY) = (endX, endY, x, y);
            (_x, _y) = (x, y);
            _slope = Steps == 0 ? 0 : (double)(_flat ? endY - y : endX - x) / Steps;
        }

        public int Steps { get; }

        public (int X, int Y) At(int step)
        {
            var t = _flipped ? Steps - step : step;
            return _flat ? (_x + t, (int)(_y + _slope * t + 0.5)) : ((int)(_x + _slope * t + 0.5), _y + t);
        }
    }
}
