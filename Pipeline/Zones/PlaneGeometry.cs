namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>Point in the coordinates of a frame, y downwards; shares or pixels.</summary>
public readonly record struct PlanePoint(double X, double Y);

/// <summary>Predicates on points, segments and polygons of a plane.</summary>
public static class PlaneGeometry
{
    /// <summary>Twice the signed area of the triangle a, b, p: positive when p is to the right of a to b, as y points
    /// downwards.</summary>
    public static double Side(PlanePoint a, PlanePoint b, PlanePoint p) =>
        ((b.X - a.X) * (p.Y - a.Y)) - ((b.Y - a.Y) * (p.X - a.X));

    /// <summary>True when the closed segments a–b and c–d have a point in common.</summary>
    public static bool Intersect(PlanePoint a, PlanePoint b, PlanePoint c, PlanePoint d)
    {
        var (ac, ad) = (Math.Sign(Side(a, b, c)), Math.Sign(Side(a, b, d)));
        var (ca, cb) = (Math.Sign(Side(c, d, a)), Math.Sign(Side(c, d, b)));
        if (ac != ad && ca != cb) return true;
        return (ac == 0 && InBox(a, b, c)) || (ad == 0 && InBox(a, b, d))
            || (ca == 0 && InBox(c, d, a)) || (cb == 0 && InBox(c, d, b));
    }

    /// <summary>Even-odd rule; the border is inside.</summary>
    public static bool Contains(IReadOnlyList<PlanePoint> polygon, PlanePoint p)
    {
        var inside = false;
        for (var i = 0; i < polygon.Count; i++)
        {
            var (a, b) = (polygon[i], polygon[(i + 1) % polygon.Count]);
            var side = Side(a, b, p);
            if (side == 0 && InBox(a, b, p)) return true;
            // An edge that goes down has p to its left where the ray to the right of p crosses it.
            if (a.Y > p.Y != b.Y > p.Y && side < 0 == b.Y > a.Y) inside = !inside;
        }

        return inside;
    }

    /// <summary>True when no two edges of the polygon meet but neighbours in their common corner, and its area is not
    /// zero.</summary>
    public static bool IsSimple(IReadOnlyList<PlanePoint> polygon)
    {
        var n = polygon.Count;
        for (var i = 0; i < n; i++)
        {
            var (a, b, c) = (polygon[i], polygon[(i + 1) % n], polygon[(i + 2) % n]);
            // A corner that turns back on its own edge, or is the next corner.
            if (a == b || (Side(a, b, c) == 0 && ((b.X - a.X) * (c.X - b.X)) + ((b.Y - a.Y) * (c.Y - b.Y)) <= 0))
                return false;
            for (var j = i + 2; j < n; j++)
                if ((j + 1) % n != i && Intersect(a, b, polygon[j], polygon[(j + 1) % n])) return false;
        }

        return true;
    }

    private static bool InBox(PlanePoint a, PlanePoint b, PlanePoint p) =>
        Math.Min(a.X, b.X) <= p.X && p.X <= Math.Max(a.X, b.X)
        && Math.Min(a.Y, b.Y) <= p.Y && p.Y <= Math.Max(a.Y, b.Y);
}
