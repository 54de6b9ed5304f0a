using System.Numerics;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Draws the lots of a scene: who is there, how it moves, what stands in the way.
/// The family is that of the model's training scenes.</summary>
internal sealed class SceneDesigner(SyntheticOptions options)
{
    public const float ReferenceHeight = 160;

    /// <summary>The background reaches this far beyond the picture; the camera never moves further.</summary>
    public const float Margin = 24;

    private readonly SceneRandom _random = new(SceneRandom.Mix((ulong)options.Seed + 1));
    private readonly Tier _tier = Tier.Of(options.Tier);
    private readonly Vector2 _picture = new(ReferenceHeight * options.Width / options.Height, ReferenceHeight);

    /// <summary>Colours of the background, RGB [rows, columns, 3], reference pixels, with its margin.</summary>
    public (float[] Pixels, int Width, int Height) Backdrop()
    {
        var (width, height) = ((int)(_picture.X + (2 * Margin)), (int)(_picture.Y + (2 * Margin)));
        var (corner, right, down) = (Colour(20, 235), Colour(20, 235), Colour(20, 235));
        var plain = options.Tier == SceneTier.Light;
        var waves = Repeat(plain ? 0 : _random.Integer(0, 4), () => (
            Pace: new Vector2(_random.Between(-25, 25), _random.Between(-25, 25)), Phase: _random.Between(0,
                MathF.Tau), Tint: Colour(-18, 18)));
        var blobs = Repeat(plain ? 0 : _random.Integer(0, 6), () => (
            Centre: new Vector2(_random.Next(), _random.Next()), Size: _random.Between(0.03f, 0.2f), Tint: Colour(-80,
                80)));
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

    /// <summary>In painting order.</summary>
    /// <param name="ground">Mean colour of the background; objects stand off from it.</param>
    public Layer[] Layers(Vector3 ground)
    {
        var things = new List<Thing>();
        var count = options.Objects > 0 ? options.Objects : _random.Integer(_tier.Objects.Low, _tier.Objects.High);
        for (var number = 1; number <= count; number++)
        {
            var twin = things.Count > 0 && _random.Next() < _tier.Twins
                ? things[_random.Integer(0, things.Count - 1)]
                : null;
            things.Add(NextThing(number, ground, twin));
        }

        var layers = new List<Layer>(things);
        for (var bars = _random.Integer(_tier.Occluders.Low, _tier.Occluders.High); bars > 0; bars--)
            layers.Insert(_random.Next() < 0.7f ? layers.Count : _random.Integer(1, layers.Count), NextOccluder());
        return [.. layers];
    }

    public Atmosphere Atmosphere()
    {
        var moves = _random.Next() < 0.5f;
        var pan = moves
            ? new Vector2(_random.Between(0, _tier.Camera), _random.Between(0, _tier.Camera))
            : Vector2.Zero;
        return new Atmosphere(
            pan, new Vector2(_random.Between(0.03f, 0.12f), _random.Between(0.03f, 0.12f)),
            new Vector2(_random.Between(0, MathF.Tau), _random.Between(0, MathF.Tau)),
            _random.Between(0, _tier.Noise), _random.Between(0, _tier.Flicker), _random.Between(0.02f, 0.15f),
            _random.Between(0, _tier.Flicker / 3));
    }

    private Thing NextThing(int number, Vector3 ground, Thing? twin)
    {
        var radius = twin is null ? _random.Between(_tier.Radius)
            : Math.Clamp(twin.Radius * _random.Between(0.9f, 1.1f), _tier.Radius.Low, _tier.Radius.High);
        var path = NextPath(radius);
        var spin = _random.Next() < 0.7f ? _random.Between(-0.06f, 0.06f) : 0;
        var (swell, swellPace, angle) =
            (_random.Between(0, 0.15f), _random.Between(0.03f, 0.12f), _random.Between(0, MathF.Tau));
        if (twin is not null)
        {
            return twin with
            {
                Number = number,
                Path = path,
                Radius = radius,
                Angle = angle,
                Spin = spin,
                Swell = swell,
                SwellPace = swellPace,
                Texture = twin.Texture with { First = twin.Texture.First + Colour(-8, 8) },
            };
        }

        var shape = (Shape)_random.Integer(0, (int)Shape.Ring);
        return new Thing(number, shape, path, radius, _random.Between(0.85f, 1.18f), angle, spin, swell, swellPace,
            NextTexture(ground));
    }

    private MotionPath NextPath(float radius)
    {
        var visitor = _random.Next() < _tier.Visitors;
        var reach = visitor ? radius + _random.Between(4, 40) : -0.6f * radius;
        var (low, high) = (new Vector2(-reach), _picture + new Vector2(reach));
        var upright = visitor && _random.Next() < 0.25f; // a visitor leaves through one pair of sides only
        if (visitor && upright) (low.X, high.X) = (0.5f * radius, _picture.X - (0.5f * radius));
        else if (visitor) (low.Y, high.Y) = (0.5f * radius, _picture.Y - (0.5f * radius));

        var speed = _random.Between(_tier.Speed);
        var (sin, cos) = MathF.SinCos(_random.Between(0, MathF.Tau));
        var velocity = speed * new Vector2(cos, sin);
        if (upright) velocity.Y = MathF.CopySign(MathF.Max(MathF.Abs(velocity.Y), 0.7f * speed), velocity.Y);
        else if (visitor) velocity.X = MathF.CopySign(MathF.Max(MathF.Abs(velocity.X), 0.7f * speed), velocity.X);
        return new MotionPath(
            new Vector2(_random.Between(low.X, high.X), _random.Between(low.Y, high.Y)), velocity, low, high,
            new Vector2(_random.Between(0, 6), _random.Between(0, 6)),
            new Vector2(_random.Between(0.05f, 0.2f), _random.Between(0.05f, 0.2f)),
            new Vector2(_random.Between(0, MathF.Tau), _random.Between(0, MathF.Tau)));
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
        var texture = new Texture(
            _random.Next() < 0.4f
            ? Pattern.Stripes
            : Pattern.Gradient, Colour(10, 245), Colour(10, 245), _random.Between(2, 5), _random.Between(0, MathF.Tau));
        var centre = _picture * new Vector2(_random.Between(0.15f, 0.85f), _random.Between(0.15f, 0.85f));
        return _random.Integer(0, 2) switch
        {
            0 => new Occluder(centre with { Y = _picture.Y / 2 }, new Vector2(_random.Between(6, 20), _picture.Y), 0,
                texture),
            1 => new Occluder(centre, new Vector2(_random.Between(60, 160), _random.Between(6, 14)), 0, texture),
            _ => new Occluder(centre, new Vector2(_random.Between(5, 10), 2 * _picture.Y), _random.Between(-0.8f, 0.8f),
                texture),
        };
    }

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

/// <summary>How camera and light move.</summary>
internal sealed record Atmosphere(Vector2 Pan, Vector2 PanPace, Vector2 PanPhase, float Noise, float Swing,
    float SwingPace, float Flicker)
{
    /// <summary>Where the world lies in the picture at frame t, reference pixels.</summary>
    public Vector2 Offset(long t) =>
        new(Pan.X * MotionPath.Wave(PanPace.X, PanPhase.X, t), Pan.Y * MotionPath.Wave(PanPace.Y, PanPhase.Y, t));
}
