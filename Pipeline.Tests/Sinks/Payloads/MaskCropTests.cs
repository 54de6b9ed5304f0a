using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

public sealed class MaskCropTests
{
    [Fact]
    public void Of_RandomMasks_RoundTrip()
    {
        var random = new Random(20260301);
        for (var round = 0; round < 500; round++)
        {
            var (width, height) = (random.Next(1, 24), random.Next(1, 24));
            var cells = new bool[width, height];
            for (var i = random.Next(0, 40); i > 0; i--) cells[random.Next(width), random.Next(height)] = true;
            if (round % 5 == 0) Fill(cells, random);
            AssertRoundTrip(cells);
        }
    }

    [Fact]
    public void Of_Empty_HasNoRuns()
    {
        var runs = new List<uint> { 1 };
        Assert.Equal(default, MaskCrop.Of(new(4, 3, [12]), runs));
        Assert.Empty(runs);
    }

    [Fact]
    public void Of_RunsThatMeetAcrossColumns_BecomeOne()
    {
        // A 2 x 2 block in the middle of a 4 x 4 grid: background 5, 2, 2, 2, 5;
        // inside its box there is only foreground.
        var runs = new List<uint>();
        Assert.Equal(new MaskCrop(1, 1, 2, 2), MaskCrop.Of(new(4, 4, [5, 2, 2, 2, 5]), runs));
        Assert.Equal([0u, 4u], runs);
    }

    internal static RunLengthMask Encode(bool[,] cells)
    {
        var counts = new List<int> { 0 };
        var last = false;
        for (var x = 0; x < cells.GetLength(0); x++)
        {
            for (var y = 0; y < cells.GetLength(1); y++)
            {
                if (cells[x, y] != last) counts.Add(0);
                last = cells[x, y];
                counts[^1]++;
            }
        }

        return new(cells.GetLength(0), cells.GetLength(1), [.. counts]);
    }

    /// <summary>Paints crops back onto an empty grid, cell by cell.</summary>
    internal static bool[,] Decode(int width, int height, MaskCrop box, IReadOnlyList<uint> runs)
    {
        var cells = new bool[width, height];
        var at = 0;
        for (var i = 0; i < runs.Count; i++)
            for (var n = 0; n < runs[i]; n++, at++)
                cells[box.X + at / box.Height, box.Y + at % box.Height] = i % 2 == 1;
        return cells;
    }

    private static void AssertRoundTrip(bool[,] cells)
    {
        var mask = Encode(cells);
        var runs = new List<uint>();
        var box = MaskCrop.Of(mask, runs);
        Assert.Equal((long)box.Width * box.Height, runs.Sum(r => r));
        Assert.Equal(cells, Decode(mask.Width, mask.Height, box, runs));
        // Tight: every side of the box has foreground.
        if (mask.IsEmpty) return;
        Assert.All([box.X, box.X + box.Width - 1], x =>
            Assert.Contains(true, Enumerable.Range(0, mask.Height).Select(y => cells[x, y])));
        Assert.All([box.Y, box.Y + box.Height - 1], y =>
            Assert.Contains(true, Enumerable.Range(0, mask.Width).Select(x => cells[x, y])));
        // No empty run but the first.
        Assert.DoesNotContain(0u, runs.Skip(1));
    }

    private static void Fill(bool[,] cells, Random random)
    {
        var (left, right) = (random.Next(cells.GetLength(0)), random.Next(cells.GetLength(0)));
        for (var x = Math.Min(left, right); x <= Math.Max(left, right); x++)
            for (var y = 0; y < cells.GetLength(1); y++) cells[x, y] = true;
    }
}
