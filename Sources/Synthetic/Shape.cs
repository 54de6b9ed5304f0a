namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Shape of an object, in the order of the class ids of the model in Models/shapes.</summary>
internal enum Shape { Circle, Square, Triangle, Star, Cross, Ring }

/// <summary>Outlines in an object's own coordinates: x right, y down, radius 1.</summary>
internal static class ShapeGeometry
{
    private const float SquareHalf = 0.82f, TriangleInner = 0.55f, CrossArm = 0.33f,
        RingMiddle = 0.7f, RingHalf = 0.3f;
    private const float StarNormalX = 0.3840306f, StarNormalY = 0.9233204f; // of an edge, with inner radius 0.45
    private const float Sector = MathF.Tau / 5;

    /// <summary>Signed distance to the outline in radii, negative inside; a close lower bound near corners.</summary>
    public static float Distance(Shape shape, float x, float y) => shape switch
    {
        Shape.Circle => Length(x, y) - 1,
        Shape.Square => MathF.Max(MathF.Abs(x), MathF.Abs(y)) - SquareHalf,
        Shape.Triangle => MathF.Max((MathF.Abs(x) * 0.8660254f) - (y * 0.5f), y) - TriangleInner,
        Shape.Star => Star(x, y),
        Shape.Cross => MathF.Max(
            MathF.Max(MathF.Abs(x), MathF.Abs(y)) - 1, MathF.Min(MathF.Abs(x), MathF.Abs(y)) - CrossArm),
        Shape.Ring => MathF.Abs(Length(x, y) - RingMiddle) - RingHalf,
        _ => throw new ArgumentOutOfRangeException(nameof(shape)),
    };

    // Five equal sectors: turned to the nearest tip, the outline is one straight line.
    private static float Star(float x, float y)
    {
        var angle = MathF.Atan2(x, -y) + (Sector / 2);
        angle = MathF.Abs(angle - (Sector * MathF.Floor(angle / Sector)) - (Sector / 2));
        var (sin, cos) = MathF.SinCos(angle);
        var radius = Length(x, y);
        return (((radius * cos) - 1) * StarNormalX) + (radius * sin * StarNormalY);
    }

    private static float Length(float x, float y) => MathF.Sqrt((x * x) + (y * y));
}
