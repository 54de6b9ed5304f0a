namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Pictures from a seed.</summary>
internal static class Noise
{
    /// <summary>Smooth random logits [height,width]: a few waves and an offset.</summary>
    public static float[] Logits(Random random, int width, int height, double offset = 0)
    {
        var waves = Enumerable.Range(0, 4)
            .Select(_ =>
                (random.NextDouble() * 1.5, random.NextDouble() * 1.5, random.NextDouble() * 6, random.NextDouble()
                    * 3)).ToArray();
        var logits = new float[width * height];
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++)
                logits[y * width + x] =
                    (float)(offset + waves.Sum(w => w.Item4 * Math.Cos(w.Item1 * x + w.Item2 * y + w.Item3)));
        return logits;
    }

    /// <summary>One smooth blob, star-shaped.</summary>
    public static Bitmap Blob(Random random, int width, int height)
    {
        var map = new Bitmap(width, height);
        var (cx, cy) = (width / 2.0, height / 2.0);
        var radius = Math.Min(width, height) * (0.25 + 0.2 * random.NextDouble());
        var (a, b, p, q) =
            (random.NextDouble() * 0.3, random.NextDouble() * 0.15, random.NextDouble() * 6, random.NextDouble() * 6);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var angle = Math.Atan2(y + 0.5 - cy, x + 0.5 - cx);
                map[x, y] = Math.Sqrt(Math.Pow(x + 0.5 - cx, 2) + Math.Pow(y + 0.5 - cy, 2))
                    < radius * (1 + a * Math.Cos(2 * angle + p) + b * Math.Cos(5 * angle + q));
            }
        }

        return map;
    }

    /// <summary>At most 20 x 20 cells, each set or not, of any density.</summary>
    public static Bitmap Cells(Random random)
    {
        var map = new Bitmap(1 + random.Next(20), 1 + random.Next(20));
        var density = random.NextDouble();
        for (var y = 0; y < map.Height; y++)
            for (var x = 0; x < map.Width; x++) map[x, y] = random.NextDouble() < density;
        return map;
    }
}
