using System.Numerics;

namespace Dvis.Streaming.Sources.Synthetic;

internal enum Pattern { Solid, Gradient, Stripes, Checker, Dots }

/// <summary>Pattern of two colours (RGB, 0 … 255) over an object's own coordinates.</summary>
/// <param name="Frequency">Cycles per 2 pi radii.</param>
/// <param name="Angle">Direction of gradient and stripes.</param>
internal sealed record Texture(Pattern Pattern, Vector3 First, Vector3 Second, float Frequency, float Angle)
{
    private readonly float _cos = MathF.Cos(Angle), _sin = MathF.Sin(Angle);

    public Vector3 Colour(float x, float y)
    {
        var along = (x * _cos) + (y * _sin);
        var across = (y * _cos) - (x * _sin);
        var mix = Pattern switch
        {
            Pattern.Solid => 0,
            Pattern.Gradient => Math.Clamp(0.5f + (0.5f * along), 0, 1),
            Pattern.Stripes => Step(MathF.Sin(Frequency * along)),
            Pattern.Checker => Step(2 * MathF.Sin(Frequency * along) * MathF.Sin(Frequency * across)),
            _ => Step(MathF.Cos(Frequency * along) + MathF.Cos(Frequency * across) - 0.8f),
        };
        return First + (mix * (Second - First));
    }

    // A soft step from 0 to 1 where a wave crosses zero.
    private static float Step(float wave) => Math.Clamp(0.5f + (2 * wave), 0, 1);
}
