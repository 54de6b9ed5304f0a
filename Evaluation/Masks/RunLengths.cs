using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Masks;

/// <summary>Set operations of run-length masks. Their cost is the number of runs, not the size of the frame.</summary>
public static class RunLengths
{
    /// <summary>Cells that are set in both masks.</summary>
    /// <exception cref="ArgumentException">The grids differ.</exception>
    public static long Overlap(RunLengthMask a, RunLengthMask b)
    {
        ThrowIfGridsDiffer(a, b);
        long both = 0;
        var walk = new PairWalk(a.Counts, b.Counts);
        while (walk.Next(out var length, out var inA, out var inB))
            if (inA && inB) both += length;
        return both;
    }

    /// <summary>Intersection over union, 0 … 1; 0 when both are empty.</summary>
    /// <param name="crowd">True: <c>b</c> has many objects, and only the area of <c>a</c> counts (COCO).</param>
    /// <exception cref="ArgumentException">The grids differ.</exception>
    public static double IoU(RunLengthMask a, RunLengthMask b, bool crowd = false)
    {
        var both = Overlap(a, b);
        var area = a.Area;
        return both == 0 ? 0 : both / (double)(crowd ? area : area + b.Area - both);
    }

    /// <summary>Cells that are set in any mask.</summary>
    /// <exception cref="ArgumentException">No mask, or the grids differ.</exception>
    public static RunLengthMask Union(params ReadOnlySpan<RunLengthMask> masks)
    {
        if (masks.IsEmpty) throw new ArgumentException("There is no mask to merge.", nameof(masks));
        var merged = masks[0];
        for (var i = 1; i < masks.Length; i++)
        {
            ThrowIfGridsDiffer(merged, masks[i]);
            var runs = new RunList(merged.Counts.Length + masks[i].Counts.Length);
            var walk = new PairWalk(merged.Counts, masks[i].Counts);
            while (walk.Next(out var length, out var inA, out var inB)) runs.Add(length, inA || inB);
            merged = new RunLengthMask(merged.Width, merged.Height, runs.ToArray());
        }

        return merged;
    }

    /// <summary>Run lengths of a bitmap.</summary>
    /// <param name="cells">Column-major, [Width,Height]; anything but 0 is set.</param>
    /// <exception cref="ArgumentException">The number of cells is not width · height.</exception>
    public static RunLengthMask Encode(int width, int height, ReadOnlySpan<byte> cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, width * height);
        var counts = new List<int>();
        for (var set = false; ; set = !set)
        {
            var length = set ? cells.IndexOf((byte)0) : cells.IndexOfAnyExcept((byte)0);
            if (length < 0) length = cells.Length;
            if (length > 0 || counts.Count == 0) counts.Add(length);
            cells = cells[length..];
            if (cells.IsEmpty) return new RunLengthMask(width, height, [.. counts]);
        }
    }

    /// <param name="cells">Column-major, [Width,Height]; becomes 1 where the mask is set, else 0.</param>
    public static void Decode(RunLengthMask mask, Span<byte> cells)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(cells.Length, mask.Width * mask.Height);
        for (var i = 0; i < mask.Counts.Length; i++)
        {
            cells[..mask.Counts[i]].Fill((byte)(i & 1));
            cells = cells[mask.Counts[i]..];
        }

        cells.Clear();
    }

    /// <summary>
    /// A mask from counts of a file: none negative, their sum the number of cells. Runs of length 0 inside are removed,
    /// so that every mask has one form.
    /// </summary>
    /// <exception cref="FormatException">Not run lengths of this grid, with the reason.</exception>
    public static RunLengthMask FromCounts(int width, int height, ReadOnlySpan<int> counts)
    {
        var cells = Cells(width, height);
        long sum = 0;
        var empty = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] < 0) throw new FormatException($"run {i} has the length {counts[i]}");
            if (counts[i] == 0 && i > 0) empty++;
            sum += counts[i];
        }

        if (counts.IsEmpty) throw new FormatException("there are no runs");
        if (sum != cells) throw new FormatException($"the runs cover {sum} cells, {width}x{height} has {cells}");
        return new RunLengthMask(width, height, empty == 0 ? counts.ToArray() : Close(counts));
    }

    /// <exception cref="FormatException">A side is not positive, or there are too many cells for an int.</exception>
    internal static int Cells(int width, int height)
    {
        var cells = (long)width * height;
        if (width <= 0 || height <= 0 || cells > int.MaxValue)
            throw new FormatException($"{width}x{height} is not the size of a mask");
        return (int)cells;
    }

    private static int[] Close(ReadOnlySpan<int> counts)
    {
        var runs = new RunList(counts.Length);
        for (var i = 0; i < counts.Length; i++) runs.Add(counts[i], (i & 1) != 0);
        return runs.ToArray();
    }

    private static void ThrowIfGridsDiffer(RunLengthMask a, RunLengthMask b)
    {
        if (a.Width != b.Width || a.Height != b.Height)
            throw new ArgumentException(
                $"A mask of {a.Width}x{a.Height} cells was compared with one of {b.Width}x{b.Height}.");
    }

    /// <summary>Joins neighbours of one value while runs are appended.</summary>
    private struct RunList(int capacity)
    {
        private readonly List<int> _counts = new(capacity) { 0 };

        public readonly void Add(int length, bool set)
        {
            if (length == 0) return;
            if ((_counts.Count & 1) == 0 == set) _counts[^1] += length;
            else _counts.Add(length);
        }

        public readonly int[] ToArray() => [.. _counts];
    }

    /// <summary>Stretches over which two masks of one grid do not change.</summary>
    private ref struct PairWalk(ReadOnlySpan<int> a, ReadOnlySpan<int> b)
    {
        private readonly ReadOnlySpan<int> _a = a, _b = b;
        private int _i = -1, _j = -1, _leftA, _leftB;

        public bool Next(out int length, out bool inA, out bool inB)
        {
            while (_leftA == 0 && ++_i < _a.Length) _leftA = _a[_i];
            while (_leftB == 0 && ++_j < _b.Length) _leftB = _b[_j];
            (inA, inB) = ((_i & 1) != 0, (_j & 1) != 0);
            length = Math.Min(_leftA, _leftB);
            _leftA -= length;
            _leftB -= length;
            return length > 0;
        }
    }
}
