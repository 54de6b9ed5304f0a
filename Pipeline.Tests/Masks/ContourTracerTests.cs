using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class ContourTracerTests
{
    private readonly ContourTracer _tracer = new();

    [Theory]
    [InlineData(3, 4, 20, 11)]
    [InlineData(0, 0, 24, 16)]
    [InlineData(5, 5, 1, 1)]
    [InlineData(5, 5, 1, 9)]
    [InlineData(5, 5, 9, 1)]
    [InlineData(5, 5, 2, 2)]
    public void Trace_Rectangle_HasItsFourCorners(int left, int top, int width, int height)
    {
        var map = new Bitmap(24, 16);
        for (var y = top; y < top + height; y++)
            for (var x = left; x < left + width; x++) map[x, y] = true;

        var corners = Corners(map);

        Assert.Equal(4, corners.Count);
        Assert.Equivalent(
            new[] { (left, top), (left + width, top), (left + width, top + height), (left, top + height) }, corners);
        Assert.Equal(1, Bitmap.Fill(24, 16, Trace(map)).IoU(map));
    }

    [Fact]
    public void Trace_LShape_HasSixCorners()
    {
        var map = Bitmap.Parse(
            "..........",
            ".###......",
            ".###......",
            ".###......",
            ".########.",
            ".########.",
            ".########.",
            "..........");

        Assert.Equal(6, Corners(map).Count);
        Assert.Equal(1, Bitmap.Fill(10, 8, Trace(map)).IoU(map));
    }

    [Fact]
    public void Trace_Hole_IsNotDrawn()
    {
        var map = Bitmap.Parse(
            "#######",
            "#######",
            "##...##",
            "##...##",
            "##...##",
            "#######",
            "#######");

        Assert.Equal(4, Corners(map).Count);
    }

    [Fact]
    public void Trace_TwoParts_DrawsTheLarger()
    {
        var map = Bitmap.Parse(
            "###.......",
            "###.......",
            "###..#####",
            ".....#####",
            ".....#####");

        Assert.Equivalent(new[] { (5, 2), (10, 2), (10, 5), (5, 5) }, Corners(map));
    }

    [Fact]
    public void Trace_CellsThatTouchByCorners_AreTwoParts()
    {
        var map = Bitmap.Parse(
            "###....",
            "###....",
            "###....",
            "...####",
            "...####",
            "...####");

        Assert.Equivalent(new[] { (3, 3), (7, 3), (7, 6), (3, 6) }, Corners(map));
    }

    [Fact]
    public void Trace_EmptyMask_IsNull() => Assert.Null(_tracer.Trace(new Bitmap(5, 5).Encode(), 4, 20, 20));

    [Fact]
    public void Trace_LastCellsBeyondTheFrame_AreClipped()
    {
        var map = new Bitmap(3, 3);
        for (var y = 0; y < 3; y++)
            for (var x = 0; x < 3; x++) map[x, y] = true;

        var points = _tracer.Trace(map.Encode(), 4, 10, 9)!.Points;

        Assert.Equal(10, points.Where((_, i) => i % 2 == 0).Max());
        Assert.Equal(9, points.Where((_, i) => i % 2 == 1).Max());
    }

    [Theory]
    [InlineData(30, 30, 1)]
    [InlineData(80, 60, 4)]
    [InlineData(160, 120, 8)]
    public void Trace_Blobs_CoverTheMaskWithFewPoints(int width, int height, int cell)
    {
        var random = new Random(5);
        for (var trial = 0; trial < 40; trial++)
        {
            var map = Noise.Blob(random, width, height);

            var points = _tracer.Trace(map.Encode(), cell, width * cell, height * cell)!.Points;

            var iou = Bitmap.Fill(width, height, points, cell).IoU(map.LargestFilled());
            Assert.True(iou >= 0.9, $"trial {trial}: IoU {iou:F3}");
            Assert.InRange(points.Length / 2, 3, width);
        }
    }

    /// <summary>Noise is the worst there is: parts within holes within parts,
    /// and cells that touch by corners.</summary>
    [Fact]
    public void Trace_Noise_EndsAndDrawsTheLargestPartExactly()
    {
        var random = new Random(6);
        var exact = new ContourTracer(tolerance: 0);
        for (var trial = 0; trial < 300; trial++)
        {
            var map = Noise.Cells(random);
            if (map.Area == 0) continue;

            var points = exact.Trace(map.Encode(), 1, map.Width, map.Height)!.Points;

            var drawn = Bitmap.Fill(map.Width, map.Height, points);
            Assert.Equal(map.LargestFilled().Area, drawn.Area);
            Assert.NotNull(_tracer.Trace(map.Encode(), 1, map.Width, map.Height));
        }
    }

    [Fact]
    public void TraceRings_PartsAndHoles_AreAllThere_TheLargestFirst()
    {
        var map = Bitmap.Parse(
            "#######...",
            "#######...",
            "##...##...",
            "##...##.##",
            "##...##.##",
            "#######...",
            "#######..#");

        var rings = _tracer.TraceRings(map.Encode(), 1, 10, 7);

        Assert.Equal([(0, 0, 7, 7), (2, 2, 5, 5), (8, 3, 10, 5)], rings.Select(r => (
            r.Points.Where((_, i) => i % 2 == 0).Min(), r.Points.Where((_, i) => i % 2 == 1).Min(),
            r.Points.Where((_, i) => i % 2 == 0).Max(), r.Points.Where((_, i) => i % 2 == 1).Max())));
        Assert.Equal(2, _tracer.TraceRings(map.Encode(), 1, 10, 7, most: 2).Length);
        Assert.Empty(_tracer.TraceRings(new Bitmap(5, 5).Encode(), 1, 5, 5));
    }

    [Fact]
    public void TraceRings_Noise_FillsTheMaskExactly()
    {
        var random = new Random(7);
        var exact = new ContourTracer(tolerance: 0);
        for (var trial = 0; trial < 300; trial++)
        {
            var map = Noise.Cells(random);

            var rings = exact.TraceRings(map.Encode(), 1, map.Width, map.Height, leastCells: 1, most: int.MaxValue);

            var drawn = new Bitmap(map.Width, map.Height);
            foreach (var ring in rings.Select(r => Bitmap.Fill(map.Width, map.Height, r.Points)))
                for (var y = 0; y < map.Height; y++)
                    for (var x = 0; x < map.Width; x++) drawn[x, y] ^= ring[x, y];
            Assert.Equal(map.Encode().Counts, drawn.Encode().Counts);
        }
    }

    private ImmutableArray<float> Trace(Bitmap map) => _tracer.Trace(map.Encode(), 1, map.Width, map.Height)!.Points;

    private List<(int X, int Y)> Corners(Bitmap map)
    {
        var points = Trace(map);
        return [.. Enumerable.Range(0, points.Length / 2).Select(i => ((int)points[2 * i], (int)points[2 * i + 1]))];
    }
}
