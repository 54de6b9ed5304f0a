using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Pipeline.Tests.Zones;

/// <summary>Predicates of zones and lines, against plain definitions of the same.</summary>
public sealed class PlaneGeometryTests
{
    // An L: the square of (4, 4) to (8, 0) is cut out.
    private static readonly PlanePoint[] s_corner = Points([0, 0, 4, 0, 4, 4, 8, 4, 8, 8, 0, 8]);

    [Theory]
    [InlineData(2, 2, true)]
    [InlineData(6, 6, true)]
    [InlineData(6, 2, false)]
    [InlineData(9, 8, false)]
    [InlineData(-1, 4, false)]
    [InlineData(2, 4, true)] // at the height of corners
    [InlineData(9, 4, false)]
    public void Contains_ConcavePolygon(double x, double y, bool inside) =>
        Assert.Equal(inside, PlaneGeometry.Contains(s_corner, new(x, y)));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(4, 4)]
    [InlineData(8, 6)]
    [InlineData(2, 0)]
    [InlineData(6, 4)]
    public void Contains_PointOfTheBorder_IsInside(double x, double y) =>
        Assert.True(PlaneGeometry.Contains(s_corner, new(x, y)));

    /// <summary>The angles under which a point inside sees the edges add up to a full turn.</summary>
    [Fact]
    public void Contains_RandomPolygons_IsTheSumOfAngles()
    {
        var random = new Random(1);
        for (var run = 0; run < 2000; run++)
        {
            PlanePoint[] polygon = [.. Star(random)];
            Assert.True(PlaneGeometry.IsSimple(polygon));
            PlanePoint p = new(random.NextDouble() * 2 - 1, random.NextDouble() * 2 - 1);
            var turn = polygon.Zip([.. polygon[1..], polygon[0]], (a, b) => Math.Atan2(
                PlaneGeometry.Side(p, a, b), ((a.X - p.X) * (b.X - p.X)) + ((a.Y - p.Y) * (b.Y - p.Y)))).Sum();
            Assert.Equal(Math.Abs(turn) > Math.PI, PlaneGeometry.Contains(polygon, p));
        }
    }

    [Theory]
    [InlineData(new double[] { 0, 0, 4, 4 }, new double[] { 0, 4, 4, 0 }, true)]
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 0, 1, 4, 1 }, false)]
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 2, 0, 2, 4 }, true)] // an end on the other
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 2, 1, 2, 4 }, false)]
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 4, 0, 8, 8 }, true)] // a common end
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 3, 0, 8, 0 }, true)] // on one line, in part together
    [InlineData(new double[] { 0, 0, 4, 0 }, new double[] { 5, 0, 8, 0 }, false)]
    public void Intersect_IsSymmetric(double[] first, double[] second, bool meets)
    {
        var (a, b) = (Points(first), Points(second));
        Assert.Equal(meets, PlaneGeometry.Intersect(a[0], a[1], b[0], b[1]));
        Assert.Equal(meets, PlaneGeometry.Intersect(b[1], b[0], a[0], a[1]));
    }

    [Theory]
    [InlineData(new double[] { 0, 0, 4, 0, 0, 4 }, true)]
    [InlineData(new double[] { 0, 0, 2, 0, 4, 0, 4, 4 }, true)] // a corner on a straight edge
    [InlineData(new double[] { 0, 0, 4, 4, 4, 0, 0, 4 }, false)] // edges cross
    [InlineData(new double[] { 0, 0, 4, 0, 4, 4, 2, 0, 0, 4 }, false)] // a corner touches an edge
    [InlineData(new double[] { 0, 0, 4, 0, 6, 0, 4, 0, 4, 4 }, false)] // turns back
    [InlineData(new double[] { 0, 0, 4, 0, 4, 0, 4, 4 }, false)] // the same corner twice
    [InlineData(new double[] { 0, 0, 2, 2, 4, 4 }, false)] // no area
    [InlineData(new double[] { 0, 0, 4, 0, 4, 4, 0, 0 }, false)] // closed by hand
    public void IsSimple_AnyFirstCornerAndDirection(double[] corners, bool simple)
    {
        var polygon = Points(corners);
        for (var i = 0; i < polygon.Length; i++)
        {
            polygon = [.. polygon[1..], polygon[0]];
            Assert.Equal(simple, PlaneGeometry.IsSimple(polygon));
            Assert.Equal(simple, PlaneGeometry.IsSimple([.. polygon.Reverse()]));
        }
    }

    private static IEnumerable<PlanePoint> Star(Random random)
    {
        var corners = random.Next(4, 12);
        for (var i = 0; i < corners; i++)
        {
            var (angle, radius) = (2 * Math.PI * (i + random.NextDouble() * 0.9) / corners, 0.1 + random.NextDouble());
            yield return new(Math.Cos(angle) * radius, Math.Sin(angle) * radius);
        }
    }

    private static PlanePoint[] Points(double[] numbers) =>
        [.. numbers.Chunk(2).Select(p => new PlanePoint(p[0], p[1]))];
}
