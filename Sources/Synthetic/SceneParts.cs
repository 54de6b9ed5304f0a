using System.Numerics;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Something painted: a shape that moves or a bar that stands.
/// Lengths in reference pixels (the picture is 160 of them high).</summary>
internal abstract record Layer(Texture Texture);

/// <summary>An object to be found.</summary>
/// <param name="Number">1, 2, … in the order of the scene.</param>
/// <param name="Stretch">Width over height.</param>
/// <param name="Spin">Radians a frame.</param>
/// <param name="Swell">Relative change of size.</param>
internal sealed record Thing(
    int Number, Shape Shape, MotionPath Path, float Radius, float Stretch, float Angle, float Spin, float Swell,
    float SwellPace, Texture Texture)
    : Layer(Texture);

/// <summary>A static bar in front of the objects painted before it.</summary>
internal sealed record Occluder(Vector2 Centre, Vector2 Half, float Angle, Texture Texture) : Layer(Texture);

/// <summary>Back and forth between two corners, with a wobble:
/// fold(start + velocity t) + wobble sin(pace t + phase).</summary>
internal sealed record MotionPath(Vector2 Start, Vector2 Velocity, Vector2 Low, Vector2 High, Vector2 Wobble,
    Vector2 Pace, Vector2 Phase)
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

/// <summary>What may happen in a scene of this difficulty (ranges inclusive,
/// lengths in reference pixels, speeds per frame).</summary>
/// <param name="Twins">Share of objects that look almost like an earlier one.</param>
/// <param name="Visitors">Share of objects whose path leaves the picture.</param>
/// <param name="Camera">Largest excursion of the camera.</param>
/// <param name="Noise">Largest standard deviation of the pixel noise.</param>
/// <param name="Flicker">Largest relative brightness change.</param>
internal sealed record Tier(
    (int Low, int High) Objects, (float Low, float High) Radius, (float Low, float High) Speed,
    (int Low, int High) Occluders,
    float Twins, float Visitors, float Camera, float Noise, float Flicker)
{
    public static Tier Of(SceneTier tier) => tier switch
    {
        SceneTier.Light => new Tier((1, 3), (18, 42), (0, 1.6f), (0, 0), 0, 0.1f, 0, 4, 0.05f),
        SceneTier.Everyday => new Tier((2, 5), (16, 40), (0.3f, 2.5f), (0, 1), 0, 0.35f, 10, 8, 0.15f),
        SceneTier.Heavy => new Tier((4, 8), (12, 36), (0.5f, 3.5f), (1, 3), 0.35f, 0.35f, 20, 10, 0.25f),
        _ => throw new ArgumentOutOfRangeException(nameof(tier), tier, null),
    };
}
