using System.Text.Json;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class MaskEncoderTests
{
    private readonly MaskEncoder _encoder = new();

    public static TheoryData<MaskGeometry> Geometries => new(
        new MaskGeometry(64, 48, 16, 12, 16, 12, 1),
        new MaskGeometry(64, 48, 16, 12, 16, 12, 4),
        new MaskGeometry(641, 361, 40, 24, 40, 22.5, 4),
        new MaskGeometry(321, 243, 40, 32, 39.75, 30.25, 2),
        new MaskGeometry(1921, 1081, 48, 32, 47.5, 26.75, 8),
        new MaskGeometry(101, 67, 24, 16, 24, 15.75, 1),
        new MaskGeometry(1, 240, 8, 64, 1, 64, 1),
        new MaskGeometry(1, 240, 1, 64, 1, 64, 4),
        new MaskGeometry(240, 1, 64, 1, 64, 1, 1),
        new MaskGeometry(3, 2, 1, 1, 1, 1, 1),
        new MaskGeometry(7, 5, 3, 2, 2.5, 1.75, 2),
        new MaskGeometry(20, 30, 64, 96, 60.25, 90.5, 1),
        new MaskGeometry(20, 30, 64, 96, 60.25, 90.5, 8));

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Encode_SmoothLogits_EqualsThePlainTwin(MaskGeometry geometry)
    {
        var random = new Random(7);
        for (var trial = 0; trial < 12; trial++)
        {
            var logits = Noise.Logits(random, geometry.GridWidth, geometry.GridHeight, random.NextDouble() * 8 - 4);
            if (trial == 0) logits.AsSpan().Fill(-1);
            if (trial == 1) logits.AsSpan().Fill(1);
            if (trial == 2) logits.AsSpan().Clear();

            Check(logits, geometry);
        }
    }

    /// <summary>White noise: the sign changes in every cell, and zeros of both signs stand among the values.</summary>
    [Theory]
    [MemberData(nameof(Geometries))]
    public void Encode_Noise_EqualsThePlainTwin(MaskGeometry geometry)
    {
        var random = new Random(8);
        for (var trial = 0; trial < 8; trial++)
        {
            var logits = new float[geometry.GridWidth * geometry.GridHeight];
            foreach (ref var value in logits.AsSpan())
                value = random.Next(6) switch
                {
                    0 => 0,
                    1 => -0f,
                    2 => random.NextSingle() * 1e-30f,
                    _ => random.NextSingle() * 20 - 10
                };

            Check(logits, geometry);
        }
    }

    [Fact]
    public void Encode_NothingAboveZero_IsNull()
    {
        var geometry = new MaskGeometry(64, 48, 16, 12, 16, 12, 4);

        Assert.Null(_encoder.Encode(new float[16 * 12], geometry));
    }

    [Fact]
    public void Encode_OnlyThePaddingAboveZero_IsNull()
    {
        var geometry = new MaskGeometry(64, 48, 32, 12, 16, 12, 1);
        var logits = new float[32 * 12];
        for (var y = 0; y < 12; y++) logits.AsSpan(y * 32 + 17, 15).Fill(5);

        Assert.Null(_encoder.Encode(logits, geometry));
    }

    [Fact]
    public void Encode_EverythingAboveZero_CoversTheFrame()
    {
        var geometry = new MaskGeometry(641, 361, 40, 24, 40, 22.5, 4);

        var mask = _encoder.Encode([.. Enumerable.Repeat(1f, 40 * 24)], geometry)!;

        Assert.Equal([0, 161 * 91], mask.Mask.Counts);
        Assert.Equal(new Box(0, 0, 641, 361), mask.Box);
        Assert.True(mask.Truncated);
    }

    [Fact]
    public void Encode_OtherLength_Throws()
        => Assert.Throws<ArgumentOutOfRangeException>(() =>
            _encoder.Encode(new float[5], new MaskGeometry(64, 48, 16, 12, 16, 12, 4)));

    /// <summary>Masks, run lengths, areas and boxes of the official COCO mask API.</summary>
    [Fact]
    public void Encode_OfficialCases_GivesTheOfficialRunLengths()
    {
        using var cases = JsonDocument.Parse(File.ReadAllBytes(Shared.Path("data/cases/rle/rle_cases.json")));
        var count = 0;
        foreach (var c in cases.RootElement.GetProperty("masks").EnumerateArray())
        {
            if (!c.TryGetProperty("uncompressed", out var runs)) continue;
            var (height, width) = (c.GetProperty("height").GetInt32(), c.GetProperty("width").GetInt32());
            int[] counts = [.. runs.EnumerateArray().Select(r => r.GetInt32())];
            var map = Bitmap.Decode(width, height, counts);
            var logits = new float[width * height];
            for (var y = 0; y < height; y++)
                for (var x = 0; x < width; x++) logits[y * width + x] = map[x, y] ? 1 : -1;

            var mask = _encoder.Encode(logits, new MaskGeometry(width, height, width, height, width, height, 1));

            var area = c.GetProperty("area").GetInt64();
            Assert.Equal(area, new RunLengthMask(width, height, counts).Area);
            Assert.Equal(area == 0, mask is null);
            if (mask is null) continue;
            Assert.Equal(counts, mask.Mask.Counts);
            Assert.Equal(area, mask.AreaPx);
            float[] box = [.. c.GetProperty("bbox_xywh").EnumerateArray().Select(v => v.GetSingle())];
            Assert.Equal(new Box(box[0], box[1], box[2], box[3]), mask.Box);
            count++;
        }

        Assert.True(count >= 10, $"only {count} cases");
    }

    private void Check(float[] logits, MaskGeometry geometry)
    {
        var expected = Twin(logits, geometry);
        var actual = _encoder.Encode(logits, geometry);

        Assert.Equal(expected.Area == 0, actual is null);
        if (actual is null) return;
        Assert.Equal((geometry.MaskWidth, geometry.MaskHeight), (actual.Mask.Width, actual.Mask.Height));
        Assert.Equal(expected.Encode().Counts, actual.Mask.Counts);
        Assert.Equal(expected.Area, actual.Mask.Area);
        Measure(expected, actual, geometry);
    }

    private static void Measure(Bitmap map, EncodedMask actual, MaskGeometry geometry)
    {
        var (left, top, right, bottom, sumX, sumY) = (int.MaxValue, int.MaxValue, -1, -1, 0.0, 0.0);
        for (var y = 0; y < map.Height; y++)
        {
            for (var x = 0; x < map.Width; x++)
            {
                if (!map[x, y]) continue;
                (left, top, right, bottom) =
                    (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x), Math.Max(bottom, y));
                sumX += x + 0.5;
                sumY += y + 0.5;
            }
        }

        var cell = geometry.Cell;
        var (x1, y1) =
            (Math.Min((right + 1) * cell, geometry.FrameWidth), Math.Min((bottom + 1) * cell, geometry.FrameHeight));
        Assert.Equal(new Box(left * cell, top * cell, x1 - left * cell, y1 - top * cell), actual.Box);
        Assert.Equal((double)map.Area * cell * cell, actual.AreaPx);
        Assert.Equal(sumX / map.Area * cell, actual.CentroidX, 1e-2);
        Assert.Equal(sumY / map.Area * cell, actual.CentroidY, 1e-2);
        Assert.Equal(left == 0 || top == 0 || right == map.Width - 1 || bottom == map.Height - 1, actual.Truncated);
    }

    /// <summary>Sample by sample: bilinear with align_corners = False, columns first, above 0 or not.</summary>
    private static Bitmap Twin(float[] logits, MaskGeometry g)
    {
        var map = new Bitmap(g.MaskWidth, g.MaskHeight);
        for (var y = 0; y < g.MaskHeight; y++)
        {
            var (y0, y1, fy) = Neighbours(y, g.Cell, g.ContentHeight, g.FrameHeight, g.GridHeight);
            for (var x = 0; x < g.MaskWidth; x++)
            {
                var (x0, x1, fx) = Neighbours(x, g.Cell, g.ContentWidth, g.FrameWidth, g.GridWidth);
                var upper = (At(x1, y0) - At(x0, y0)) * fx + At(x0, y0);
                var lower = (At(x1, y1) - At(x0, y1)) * fx + At(x0, y1);
                map[x, y] = upper + fy * (lower - upper) > 0;
            }
        }

        return map;

        float At(int x, int y) => logits[y * g.GridWidth + x];

        static (int Low, int High, float Fraction) Neighbours(int i, int cell, double content, int frame, int cells)
        {
            var at = Math.Min(Math.Max((i + 0.5) * cell * content / frame - 0.5, 0), cells - 1);
            var low = (int)Math.Floor(at);
            return (low, Math.Min(low + 1, cells - 1), (float)(at - low));
        }
    }
}
