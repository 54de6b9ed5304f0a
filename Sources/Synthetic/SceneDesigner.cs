using System.Numerics;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Designer of a scene: draws its objects, their motion and the bars at random, as the training scenes of the
/// shapes model are drawn.</summary>
internal sealed class SceneDesigner(SyntheticOptions options)
{
    public const float ReferenceHeight = 160;

    /// <summary>Background beyond the frame on each side; the camera never moves further.</summary>
    public const float Margin = 24;

    private readonly SceneRandom _random = new(SceneRandom.Mix((ulong)options.Seed + 1));
    private readonly Tier _tier = Tier.Of(options.Tier);
    private readonly Vector2 _size = new(ReferenceHeight * options.Width / options.Height, ReferenceHeight);

    /// <summary>Colours of the background with its margin, RGB [rows, columns, 3], in reference pixels.</summary>
    public (float[] Pixels, int Width, int Height) Backdrop()
    {
        var (width, height) = ((int)(_size.X + (2 * Margin)), (int)(_size.Y + (2 * Margin)));
        var (corner, right, down) = (Colour(20, 235), Colour(20, 235), Colour(20, 235));
        var plain = options.Tier == SceneTier.Light;
        var waves = Repeat(plain ? 0 : _random.Integer(0, 4), () => (
            Pace: Point(-25, 25), Phase: _random.Between(0, MathF.Tau), Tint: Colour(-18, 18)));
        var blobs = Repeat(plain ? 0 : _random.Integer(0, 6), () => (
            Centre: Point(0, 1), Size: _random.Between(0.03f, 0.2f), Tint: Colour(-80, 80)));
        var grain = plain ? 0 : _random.Between(0, 14);

        var pixels = new float[width * height * 3];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++)
            {
                var (x, y) = ((float)column / (width - 1), (float)row / (height - 1));
                var colour = corner + (0.5f * x * (right - corner)) + (0.5f * y * (down - corner));
                foreach (var wave in waves)
                    colour += wave.Tint * MathF.Sin((wave.Pace.X * x) + (wave.Pace.Y * y) + wave.Phase);
                foreach (var blob in blobs)
                {
                    var offset = new Vector2((x - blob.Centre.X) * width / height, y - blob.Centre.Y);
                    colour += blob.Tint * MathF.Exp(-offset.LengthSquared() / (2 * blob.Size * blob.Size));
                }

                colour += new Vector3(grain * _random.Normal());
                Vector3.Clamp(colour, Vector3.Zero, new Vector3(255)).CopyTo(pixels, ((row * width) + column) * 3);
            }
        }

        return (pixels, width, height);
    }

    /// <summary>Objects and bars in painting order.</summary>
    /// <param name="ground">Mean colour of the background; objects contrast with it.</param>
    public Layer[] Layers(Vector3 ground)
    {
        var things = new List<Thing>();
        var count = options.Objects > 0 ? options.Objects : _random.Integer(_tier.Objects.Low, _tier.Objects.High);
        while (things.Count < count)
        {
            var twin = things.Count > 0 && _random.Next() < _tier.Twins
                ? things[_random.Integer(0, things.Count - 1)]
                : null;
            things.Add(NextThing(ground, twin));
        }

        var layers = new List<Layer>(things);
        for (var bars = _random.Integer(_tier.Occluders.Low, _tier.Occluders.High); bars > 0; bars--)
            layers.Insert(_random.Next() < 0.7f ? layers.Count : _random.Integer(1, layers.Count), NextOccluder());
        return [.. layers];
    }

    public Atmosphere Atmosphere()
    {
        var pan = _random.Next() < 0.5f ? Point(0, _tier.Camera) : Vector2.Zero;
        return new Atmosphere(
            pan, Point(0.03f, 0.12f), Point(0, MathF.Tau), _random.Between(0, _tier.Noise),
            _random.Between(0, _tier.Flicker), _random.Between(0.02f, 0.15f), _random.Between(0, _tier.Flicker / 3));
    }

    private Thing NextThing(Vector3 ground, Thing? twin)
    {
        var radius = twin is null ? _random.Between(_tier.Radius)
            : Math.Clamp(twin.Radius * _random.Between(0.9f, 1.1f), _tier.Radius.Low, _tier.Radius.High);
        var path = NextPath(radius);
        var spin = _random.Next() < 0.7f ? _random.Between(-0.06f, 0.06f) : 0;
        var (swell, swellPace, angle) =
            (_random.Between(0, 0.15f), _random.Between(0.03f, 0.12f), _random.Between(0, MathF.Tau));
        var (shape, stretch, texture) = twin is null
            ? ((Shape)_random.Integer(0, (int)Shape.Ring), _random.Between(0.85f, 1.18f), NextTexture(ground))
            : (twin.Shape, twin.Stretch, twin.Texture with { First = twin.Texture.First + Colour(-8, 8) });
        return new Thing(shape, path, radius, stretch, angle, spin, swell, swellPace, texture);
    }

    private MotionPath NextPath(float radius)
    {
        var visitor = _random.Next() < _tier.Visitors;
        var reach = visitor ? radius + _random.Between(4, 40) : -0.6f * radius;
        var (low, high) = (new Vector2(-reach), _size + new Vector2(reach));
        var upright = visitor && _random.Next() < 0.25f; // a visitor leaves through one pair of sides only
        if (visitor && upright) (low.X, high.X) = (0.5f * radius, _size.X - (0.5f * radius));
        else if (visitor) (low.Y, high.Y) = (0.5f * radius, _size.Y - (0.5f * radius));

        var speed = _random.Between(_tier.Speed);
        var (sin, cos) = MathF.SinCos(_random.Between(0, MathF.Tau));
        var velocity = speed * new Vector2(cos, sin);
        if (upright) velocity.Y = MathF.CopySign(MathF.Max(MathF.Abs(velocity.Y), 0.7f * speed), velocity.Y);
        else if (visitor) velocity.X = MathF.CopySign(MathF.Max(MathF.Abs(velocity.X), 0.7f * speed), velocity.X);
        return new MotionPath(
            new Vector2(_random.Between(low.X, high.X), _random.Between(low.Y, high.Y)), velocity, low, high,
            Point(0, 6), Point(0.05f, 0.2f), Point(0, MathF.Tau));
    }

    private Texture NextTexture(Vector3 ground)
    {
        var first = ColourUnlike(ground, 70);
        var pattern = _random.Next() switch
        {
            < 0.3f => Pattern.Solid,
            < 0.5f => Pattern.Gradient,
            < 0.7f => Pattern.Stripes,
            < 0.85f => Pattern.Checker,
            _ => Pattern.Dots
        };
        return new Texture(pattern, first, ColourUnlike(first, 60), _random.Between(3, 9),
            _random.Between(0, MathF.Tau));
    }

    /// <summary>A post (upright, full height), a wall (lying) or a slanted bar.</summary>
    private Occluder NextOccluder()
    {
        var pattern = _random.Next() < 0.4f ? Pattern.Stripes : Pattern.Gradient;
        var texture = new Texture(
            pattern, Colour(10, 245), Colour(10, 245), _random.Between(2, 5), _random.Between(0, MathF.Tau));
        var centre = _size * Point(0.15f, 0.85f);
        var (half, angle) = (Vector2.Zero, 0f);
        switch (_random.Integer(0, 2))
        {
            case 0: (centre.Y, half) = (_size.Y / 2, new Vector2(_random.Between(6, 20), _size.Y)); break;
            case 1: half = new Vector2(_random.Between(60, 160), _random.Between(6, 14)); break;
            default:
                half = new Vector2(_random.Between(5, 10), 2 * _size.Y);
                angle = _random.Between(-0.8f, 0.8f);
                break;
        }

        return new Occluder(centre, half, angle, texture);
    }

    private Vector2 Point(float low, float high) => new(_random.Between(low, high), _random.Between(low, high));

    private Vector3 Colour(float low, float high) =>
        new(_random.Between(low, high), _random.Between(low, high), _random.Between(low, high));

    private Vector3 ColourUnlike(Vector3 other, float least)
    {
        var colour = Colour(10, 245);
        for (var attempt = 0; attempt < 20 && Vector3.Distance(colour, other) < least; attempt++)
            colour = Colour(10, 245);
        return colour;
    }

    private static T[] Repeat<T>(int count, Func<T> next) => [.. Enumerable.Range(0, count).Select(_ => next())];
}
