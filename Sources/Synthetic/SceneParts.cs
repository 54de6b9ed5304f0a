using System.Numerics;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Painted object or bar. Lengths are reference pixels: a frame is 160 of them high.</summary>
internal abstract record Layer(Texture Texture)
{
    /// <summary>Place in frame <paramref name="t"/>.</summary>
    public abstract Placement At(long t);

    /// <summary>Signed distance to the outline in the layer's own coordinates, negative inside.</summary>
    public abstract float Distance(float x, float y);

    /// <summary>RGB, 0 … 255, in the layer's own coordinates.</summary>
    public virtual Vector3 Colour(float x, float y) => Texture.Colour(x, y);
}

/// <summary>Place of a layer in a frame.</summary>
/// <param name="Reach">Distance from the centre beyond which nothing is painted.</param>
/// <param name="Unit">Lengths of the units of the layer's own coordinates.</param>
/// <param name="Radius">Length of the unit of <see cref="Layer.Distance"/>.</param>
internal readonly record struct Placement(Vector2 Centre, float Reach, float Angle, Vector2 Unit, float Radius);

/// <summary>Moving object.</summary>
/// <param name="Stretch">Width over height.</param>
/// <param name="Spin">Radians per frame.</param>
/// <param name="Swell">Relative change of size.</param>
internal sealed record Thing(
    Shape Shape, MotionPath Path, float Radius, float Stretch, float Angle, float Spin, float Swell, float SwellPace,
    Texture Texture)
    : Layer(Texture)
{
    public override Placement At(long t)
    {
        var radius = Radius * (1 + (Swell * MotionPath.Wave(SwellPace, 0, t)));
        var angle = (float)Math.IEEERemainder(Angle + ((double)Spin * t), Math.Tau);
        var reach = 1.2f * radius * MathF.Max(Stretch, 1 / Stretch);
        var stretch = MathF.Sqrt(Stretch);
        return new Placement(Path.At(t), reach, angle, new Vector2(radius * stretch, radius / stretch), radius);
    }

    public override float Distance(float x, float y) => ShapeGeometry.Distance(Shape, x, y);
}

/// <summary>Static bar in front of the objects painted before it.</summary>
internal sealed record Occluder(Vector2 Centre, Vector2 Half, float Angle, Texture Texture) : Layer(Texture)
{
    public override Placement At(long t) => new(Centre, Half.Length(), Angle, Vector2.One, 1);

    public override float Distance(float x, float y) => MathF.Max(MathF.Abs(x) - Half.X, MathF.Abs(y) - Half.Y);

    public override Vector3 Colour(float x, float y) => Texture.Colour(x / 20, y / 20);
}

/// <summary>Path back and forth between two corners, with a wobble:
/// fold(start + velocity t) + wobble sin(pace t + phase).</summary>
internal sealed record MotionPath(
    Vector2 Start, Vector2 Velocity, Vector2 Low, Vector2 High, Vector2 Wobble, Vector2 Pace, Vector2 Phase)
{
    public Vector2 At(long t) => new(
        Axis(Start.X, Velocity.X, Low.X, High.X, t) + (Wobble.X * Wave(Pace.X, Phase.X, t)),
        Axis(Start.Y, Velocity.Y, Low.Y, High.Y, t) + (Wobble.Y * Wave(Pace.Y, Phase.Y, t)));

    /// <summary>sin(pace t + phase); in double, so that it is smooth after months of frames.</summary>
    public static float Wave(float pace, float phase, long t) => (float)Math.Sin(((double)pace * t) + phase);

    private static float Axis(float start, float velocity, float low, float high, long t)
    {
        double span = high - low;
        var way = start - low + ((double)velocity * t);
        way -= 2 * span * Math.Floor(way / (2 * span));
        return (float)(low + span - Math.Abs(way - span));
    }
}

/// <summary>Motion of camera and light.</summary>
internal sealed record Atmosphere(
    Vector2 Pan, Vector2 PanPace, Vector2 PanPhase, float Noise, float Swing, float SwingPace, float Flicker)
{
    /// <summary>Offset of the world in frame <paramref name="t"/>.</summary>
    public Vector2 Offset(long t) =>
        new(Pan.X * MotionPath.Wave(PanPace.X, PanPhase.X, t), Pan.Y * MotionPath.Wave(PanPace.Y, PanPhase.Y, t));
}

/// <summary>Ranges, inclusive, of what the scenes of a difficulty have; speeds per frame.</summary>
/// <param name="Twins">Share of objects that look almost like an earlier one.</param>
/// <param name="Visitors">Share of objects whose path leaves the frame.</param>
/// <param name="Camera">Largest excursion of the camera.</param>
/// <param name="Noise">Largest standard deviation of the pixel noise.</param>
/// <param name="Flicker">Largest relative change of brightness.</param>
internal sealed record Tier(
    (int Low, int High) Objects, (float Low, float High) Radius, (float Low, float High) Speed,
    (int Low, int High) Occluders, float Twins, float Visitors, float Camera, float Noise, float Flicker)
{
    public static Tier Of(SceneTier tier) => tier switch
    {
        SceneTier.Light => new Tier((1, 3), (18, 42), (0, 1.6f), (0, 0), 0, 0.1f, 0, 4, 0.05f),
        SceneTier.Everyday => new Tier((2, 5), (16, 40), (0.3f, 2.5f), (0, 1), 0, 0.35f, 10, 8, 0.15f),
        SceneTier.Heavy => new Tier((4, 8), (12, 36), (0.5f, 3.5f), (1, 3), 0.35f, 0.35f, 20, 10, 0.25f),
        _ => throw new ArgumentOutOfRangeException(nameof(tier), tier, null),
    };
}
