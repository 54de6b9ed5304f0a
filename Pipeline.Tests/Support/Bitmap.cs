using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A mask a test can look at, cell by cell.</summary>
internal sealed class Bitmap(int width, int height)
{
    private readonly bool[] _cells = new bool[width * height];

    public int Width => width;

    public int Height => height;

    public bool this[int x, int y]
    {
        get => x >= 0 && y >= 0 && x < width && y < height && _cells[y * width + x];
        set => _cells[y * width + x] = value;
    }

    public int Area => _cells.Count(c => c);

    /// <summary>Rows of text, '#' is set.</summary>
    public static Bitmap Parse(params string[] rows)
    {
        var map = new Bitmap(rows[0].Length, rows.Length);
        for (var y = 0; y < rows.Length; y++)
            for (var x = 0; x < rows[y].Length; x++) map[x, y] = rows[y][x] == '#';
        return map;
    }

    public static Bitmap Decode(RunLengthMask mask) => Decode(mask.Width, mask.Height, mask.Counts);

    public static Bitmap Decode(int width, int height, IReadOnlyList<int> counts)
    {
        var map = new Bitmap(width, height);
        var at = 0;
        for (var i = 0; i < counts.Count; i++)
            for (var end = at + counts[i]; at < end; at++)
                if (i % 2 == 1) map[at / height, at % height] = true;
        Assert.Equal(width * height, at);
        return map;
    }

    /// <summary>COCO run lengths, written the plainest way.</summary>
    public RunLengthMask Encode()
    {
        var counts = new List<int> { 0 };
        var value = false;
        for (var x = 0; x < width; x++)
        {
            for (var y = 0; y < height; y++)
            {
                if (this[x, y] != value)
                {
                    counts.Add(0);
                    value = !value;
                }

                counts[^1]++;
            }
        }

        return new RunLengthMask(width, height, [.. counts]);
    }

    /// <summary>Cells whose centre lies inside the polygon by the even-odd rule;
    /// points in units of <paramref name="cell"/> pixels.</summary>
    public static Bitmap Fill(int width, int height, IReadOnlyList<float> points, int cell = 1)
    {
        var map = new Bitmap(width, height);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var (px, py, inside) = ((x + 0.5) * cell, (y + 0.5) * cell, false);
                for (int i = 0, j = points.Count - 2; i < points.Count; j = i, i += 2)
                {
                    var (ax, ay, bx, by) = (points[i], points[i + 1], points[j], points[j + 1]);
                    if (ay > py != by > py && px < (double)(bx - ax) * (py - ay) / (by - ay) + ax) inside = !inside;
                }

                map[x, y] = inside;
            }
        }

        return map;
    }

    public double IoU(Bitmap other)
    {
        var (both, any) = (0, 0);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                if (this[x, y] && other[x, y]) both++;
                if (this[x, y] || other[x, y]) any++;
            }
        }

        return any == 0 ? 0 : (double)both / any;
    }

    /// <summary>The largest part of cells that touch by edges, its holes filled.</summary>
    public Bitmap LargestFilled()
    {
        var best = new Bitmap(width, height);
        var seen = new Bitmap(width, height);
        var bestArea = 0;
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                if (!this[x, y] || seen[x, y]) continue;
                var part = Flood(x, y, (i, j) => this[i, j]);
                for (var j = 0; j < height; j++)
                    for (var i = 0; i < width; i++) seen[i, j] |= part[i, j];
                var filled = part.Filled();
                if (filled.Area > bestArea) (best, bestArea) = (filled, filled.Area);
            }
        }

        return best;
    }

    private Bitmap Filled()
    {
        // Background that touches, by edges or corners, the outside of the picture.
        var outer = new Bitmap(width + 2, height + 2);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++) outer[x + 1, y + 1] = this[x, y];
        var outside = outer.Flood(0, 0, (i, j) => i >= 0 && j >= 0 && i < width + 2 && j < height + 2 && !outer[i, j],
            corners: true);
        var filled = new Bitmap(width, height);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++) filled[x, y] = !outside[x + 1, y + 1];
        return filled;
    }

    private Bitmap Flood(int x, int y, Func<int, int, bool> belongs, bool corners = false)
    {
        var part = new Bitmap(width, height);
        var todo = new Stack<(int X, int Y)>([(x, y)]);
        while (todo.TryPop(out var at))
        {
            if (!belongs(at.X, at.Y) || part[at.X, at.Y]) continue;
            part[at.X, at.Y] = true;
            for (var dy = -1; dy <= 1; dy++)
                for (var dx = -1; dx <= 1; dx++)
                    if (corners || dx == 0 || dy == 0) todo.Push((at.X + dx, at.Y + dy));
        }

        return part;
    }
}
