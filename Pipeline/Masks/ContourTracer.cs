using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// Tracer of the boundaries of a mask as closed polygons in source pixels, simplified so that no corner is farther than
/// <c>tolerance</c> cells from them (Douglas and Peucker 1973). Buffers are reused; not thread-safe.
/// </summary>
public sealed class ContourTracer(double tolerance = 1.0)
{
    // Directions of travel along cell edges, clockwise: right, down, left, up.
    private static readonly (int X, int Y)[] s_step = [(1, 0), (0, 1), (-1, 0), (0, -1)];

    private readonly List<(int X, int Y)> _loop = [], _best = [];
    private readonly Stack<(int From, int To)> _spans = new();
    private bool[] _cells = [], _seen = [], _keep = [];

    /// <summary>The outer boundary of the largest part, without holes; null when the mask is empty.</summary>
    public Contour? Trace(RunLengthMask mask, int cell, int frameWidth, int frameHeight)
    {
        _best.Clear();
        long bestArea = 0;
        foreach (var area in Walks(mask))
        {
            if (area <= bestArea) continue;
            bestArea = area;
            _best.Clear();
            _best.AddRange(_loop);
        }

        return _best.Count < 3 ? null : Simplify(_best, cell, frameWidth, frameHeight);
    }

    /// <summary>The boundaries of all parts and of their holes, which the even-odd rule fills; the largest first.
    /// </summary>
    /// <param name="leastCells">Rings that enclose fewer cells are left out.</param>
    /// <param name="most">Rings.</param>
    public ImmutableArray<Contour> TraceRings(
        RunLengthMask mask, int cell, int frameWidth, int frameHeight, int leastCells = 4, int most = 16)
    {
        List<(long Area, List<(int X, int Y)> Loop)> rings = [];
        foreach (var area in Walks(mask))
            if (Math.Abs(area) >= 2 * leastCells) rings.Add((Math.Abs(area), [.. _loop]));
        return
        [
            .. rings.OrderByDescending(r => r.Area).Take(most)
                .Select(r => Simplify(r.Loop, cell, frameWidth, frameHeight)),
        ];
    }

    /// <summary>Walks all boundaries, one after the other.</summary>
    /// <returns>Twice the enclosed area of <see cref="_loop"/> in cells, negative around a hole.</returns>
    private IEnumerable<long> Walks(RunLengthMask mask)
    {
        if (mask.IsEmpty) yield break;
        // A border of background all around saves every bounds check of the walk.
        var (stride, rows) = (mask.Width + 2, mask.Height + 2);
        Decode(mask, stride, rows);
        for (var y = 1; y < rows - 1; y++)
        {
            for (var x = 1; x < stride - 1; x++)
            {
                // The top edge of a cell under background begins an outer boundary or a hole's lower rim.
                if (!_cells[y * stride + x] || _cells[(y - 1) * stride + x] || _seen[y * stride + x]) continue;
                yield return Walk(x, y, stride);
            }
        }
    }

    private void Decode(RunLengthMask mask, int stride, int rows)
    {
        if (_cells.Length != stride * rows)
        {
            _cells = new bool[stride * rows];
            _seen = new bool[stride * rows];
        }

        Array.Clear(_cells);
        Array.Clear(_seen);
        var at = 0;
        for (var i = 0; i < mask.Counts.Length; i++)
        {
            var end = at + mask.Counts[i];
            if ((i & 1) == 0) at = end;
            else
                for (; at < end; at++) _cells[(at % mask.Height + 1) * stride + at / mask.Height + 1] = true;
        }
    }

    /// <summary>Walks the boundary, foreground on the right: twice the enclosed area, negative around a hole.</summary>
    private long Walk(int startX, int startY, int stride)
    {
        _loop.Clear();
        long area = 0;
        // Corner coordinates: (x,y) is the upper left corner of cell (x,y). Start along the top edge, to the right.
        var (x, y, direction) = (startX, startY, 0);
        do
        {
            if (direction == 0) _seen[y * stride + x] = true;
            var (nx, ny) = (x + s_step[direction].X, y + s_step[direction].Y);
            area += (long)x * ny - (long)nx * y;
            (x, y) = (nx, ny);
            // The two cells ahead of the corner, left and right of the direction of travel.
            var (left, right) = direction switch
            {
                0 => (_cells[(y - 1) * stride + x], _cells[y * stride + x]),
                1 => (_cells[y * stride + x], _cells[y * stride + x - 1]),
                2 => (_cells[y * stride + x - 1], _cells[(y - 1) * stride + x - 1]),
                _ => (_cells[(y - 1) * stride + x - 1], _cells[(y - 1) * stride + x]),
            };
            // Diagonal neighbours count as connected only through edges: turn right first.
            var turn = !right ? 1 : left ? 3 : 0;
            if (turn == 0) continue;
            _loop.Add((x, y));
            direction = (direction + turn) & 3;
        }
        while (x != startX || y != startY || direction != 0);
        return area;
    }

    private Contour Simplify(List<(int X, int Y)> loop, int cell, int frameWidth, int frameHeight)
    {
        if (_keep.Length < loop.Count + 1) _keep = new bool[loop.Count * 2 + 1];
        Array.Clear(_keep, 0, loop.Count + 1);
        // Two anchors: the first corner and the one farthest from it; the loop closes over the first again.
        var far = 0;
        for (var i = 1; i < loop.Count; i++)
            if (Square(loop[i], loop[0]) > Square(loop[far], loop[0])) far = i;
        _keep[0] = _keep[far] = true;
        _spans.Clear();
        _spans.Push((0, far));
        _spans.Push((far, loop.Count));
        while (_spans.TryPop(out var span))
        {
            var (a, b) = (loop[span.From], loop[span.To % loop.Count]);
            // Between the anchors one corner always stays, however near: what is one cell wide is still a polygon.
            var (worst, at) = (span == (0, far) || span == (far, loop.Count) ? 0 : tolerance, -1);
            for (var i = span.From + 1; i < span.To; i++)
            {
                var distance = Distance(loop[i], a, b);
                if (distance > worst) (worst, at) = (distance, i);
            }

            if (at < 0) continue;
            _keep[at] = true;
            _spans.Push((span.From, at));
            _spans.Push((at, span.To));
        }

        var points = ImmutableArray.CreateBuilder<float>();
        for (var i = 0; i < loop.Count; i++)
        {
            if (!_keep[i]) continue;
            points.Add(Math.Min((loop[i].X - 1) * cell, frameWidth));
            points.Add(Math.Min((loop[i].Y - 1) * cell, frameHeight));
        }

        return new Contour(points.ToImmutable());
    }

    private static long Square((int X, int Y) a, (int X, int Y) b) =>
        (long)(a.X - b.X) * (a.X - b.X) + (long)(a.Y - b.Y) * (a.Y - b.Y);

    /// <summary>Distance of <paramref name="p"/> from the segment a–b.</summary>
    private static double Distance((int X, int Y) p, (int X, int Y) a, (int X, int Y) b)
    {
        var length = Square(a, b);
        if (length == 0) return Math.Sqrt(Square(p, a));
        var t = Math.Clamp(((double)(p.X - a.X) * (b.X - a.X) + (double)(p.Y - a.Y) * (b.Y - a.Y)) / length, 0, 1);
        var (dx, dy) = (a.X + t * (b.X - a.X) - p.X, a.Y + t * (b.Y - a.Y) - p.Y);
        return Math.Sqrt(dx * dx + dy * dy);
    }
}
