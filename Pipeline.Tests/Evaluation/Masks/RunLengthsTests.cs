using System.Text.Json;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Masks;

/// <summary>Run lengths against the answers of COCO's mask interface, and against bitmaps.</summary>
public sealed class RunLengthsTests
{
    /// <summary>Four columns of six cells against ten, two in common: of a crowd only the first mask's area counts.
    /// </summary>
    [Fact]
    public void IoU_WithACrowd_IsTheShareOfTheFirstMask()
    {
        var (found, truth) = (new RunLengthMask(12, 6, [0, 24, 48]), new RunLengthMask(12, 6, [12, 60]));
        Assert.Equal(12 / 72.0, RunLengths.IoU(found, truth), 12);
        Assert.Equal(12 / 24.0, RunLengths.IoU(found, truth, crowd: true), 12);
        Assert.Equal(12 / 60.0, RunLengths.IoU(truth, found, crowd: true), 12);
    }

    /// <summary>COCO goes down the columns: the first column of a mask of 3 x 2 cells has two.</summary>
    [Fact]
    public void Encode_GoesDownTheColumns()
    {
        var mask = RunLengths.Encode(3, 2, [1, 1, 0, 0, 0, 1]);
        Assert.Equal((3, 2), (mask.Width, mask.Height));
        int[] runs = [0, 2, 3, 1];
        Assert.Equal(runs, mask.Counts);
    }

    [Fact]
    public void OfficialMasks_EncodeDecodeMeasure_AllAgree()
    {
        using var cases = Cases();
        var count = 0;
        foreach (var json in cases.RootElement.GetProperty("masks").EnumerateArray())
        {
            var name = json.GetProperty("name").GetString();
            var (width, height) = (json.GetProperty("width").GetInt32(), json.GetProperty("height").GetInt32());
            int[] counts = [.. json.GetProperty("uncompressed").EnumerateArray().Select(c => c.GetInt32())];
            var text = json.GetProperty("counts").GetString()!;

            var mask = CompressedRuns.Decode(width, height, text);
            Assert.Equal(counts, mask.Counts);
            Assert.Equal(text, CompressedRuns.Encode(mask));
            Assert.Equal(counts, RunLengths.FromCounts(width, height, counts).Counts);
            Assert.Equal(json.GetProperty("area").GetInt64(), mask.Area);
            var box = mask.Bounds();
            Assert.Equal(json.GetProperty("bbox_xywh").EnumerateArray().Select(v => v.GetDouble()),
                [box.X, box.Y, box.Width, box.Height]);
            var cells = new byte[width * height];
            RunLengths.Decode(mask, cells);
            Assert.Equal(mask.Area, cells.Sum(c => (long)c));
            Assert.True(counts.AsSpan().SequenceEqual(RunLengths.Encode(width, height, cells).Counts), name);
            count++;
        }

        Assert.True(count > 10);
    }

    [Fact]
    public void OfficialPairs_IoUAndMerges_AllAgree()
    {
        using var cases = Cases();
        var pairs = cases.RootElement.GetProperty("pairs");
        RunLengthMask[] masks = [.. pairs.GetProperty("rles").EnumerateArray().Select(Mask)];
        for (var d = 0; d < masks.Length; d++)
        {
            for (var g = 0; g < masks.Length; g++)
            {
                Assert.Equal(pairs.GetProperty("iou")[d][g].GetDouble(), RunLengths.IoU(masks[d], masks[g]), 12);
                Assert.Equal(pairs.GetProperty("iou_crowd")[d][g]
                    .GetDouble(), RunLengths.IoU(masks[d], masks[g], crowd: true), 12);
            }
        }

        // The reference merged the first four.
        Assert.Equal(Mask(pairs.GetProperty("union")).Counts, RunLengths.Union(masks.AsSpan(0, 4)).Counts);
        foreach (var pair in pairs.GetProperty("merge_pairs").EnumerateArray())
        {
            var (a, b) = (masks[pair.GetProperty("a").GetInt32()], masks[pair.GetProperty("b").GetInt32()]);
            Assert.Equal(Mask(pair.GetProperty("uni")).Counts, RunLengths.Union(a, b).Counts);
            Assert.Equal(pair.GetProperty("inter_area").GetInt64(), RunLengths.Overlap(a, b));
            Assert.Equal(pair.GetProperty("union_area").GetInt64(), RunLengths.Union(a, b).Area);
        }
    }

    [Fact]
    public void OfficialPolygons_Rasterized_AreTheSameMasks()
    {
        using var cases = Cases();
        foreach (var json in cases.RootElement.GetProperty("polygons").EnumerateArray())
        {
            var (width, height) = (json.GetProperty("width").GetInt32(), json.GetProperty("height").GetInt32());
            double[][] parts = json.TryGetProperty("multi_polygon", out var multi)
                ? [.. multi.EnumerateArray().Select(Corners)]
                : [Corners(json.GetProperty("polygon"))];
            var mask = PolygonMask.Rasterize(width, height, parts);
            Assert.Equal(json.GetProperty("counts").GetString(), CompressedRuns.Encode(mask));
            Assert.Equal(json.GetProperty("area").GetInt64(), mask.Area);
        }
    }

    [Fact]
    public void OfficialMalformedText_IsRefused()
    {
        using var cases = Cases();
        foreach (var text in cases.RootElement.GetProperty("malformed_counts_to_reject_without_crash").EnumerateArray())
            foreach (var (width, height) in new[] { (1, 1), (7, 5), (120, 100), (30000, 30000) })
                Assert.Throws<FormatException>(() => CompressedRuns.Decode(width, height, text.GetString()));
    }

    [Fact]
    public void RandomText_IsRefusedOrIsAMask()
    {
        var random = new Random(7);
        var masks = 0;
        for (var round = 0; round < 50_000; round++)
        {
            var text = new char[random.Next(0, 12)];
            // Mostly printable, as in a file that was cut or edited.
            for (var i = 0; i < text.Length; i++)
                text[i] = random.Next(20) == 0 ? (char)random.Next(0x2ff) : (char)random.Next(48, 112);
            try
            {
                var mask = CompressedRuns.Decode(5, 3, text);
                Assert.Equal(15, mask.Counts.Sum());
                Assert.All(mask.Counts.Skip(1), c => Assert.True(c > 0));
                masks++;
            }
            catch (FormatException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }

        Assert.True(masks > 10);
    }

    [Fact]
    public void RandomBitmaps_SetOperations_AreThoseOfTheirCells()
    {
        var random = new Random(3);
        for (var round = 0; round < 2000; round++)
        {
            var (width, height) = (random.Next(1, 12), random.Next(1, 12));
            byte[] a = Cells(random, width * height), b = Cells(random, width * height);
            var (first, second) = (RunLengths.Encode(width, height, a), RunLengths.Encode(width, height, b));
            byte[] any = [.. a.Zip(b, (x, y) => (byte)(x | y))];
            Assert.Equal(RunLengths.Encode(width, height, any).Counts, RunLengths.Union(first, second).Counts);
            Assert.Equal(a.Zip(b, (x, y) => x & y).Sum(), RunLengths.Overlap(first, second));
            Assert.Equal(first.Counts, CompressedRuns.Decode(width, height, CompressedRuns.Encode(first)).Counts);
            Assert.Equal(Bitmap.Decode(first).Encode().Counts, first.Counts);
            var back = new byte[a.Length];
            RunLengths.Decode(first, back);
            Assert.Equal(a, back);
        }
    }

    [Theory]
    [InlineData(new[] { 2, 0, 1, 3 }, new[] { 3, 3 })]
    [InlineData(new[] { 0, 0, 0, 6 }, new[] { 0, 6 })]
    [InlineData(new[] { 1, 2, 3, 0 }, new[] { 1, 2, 3 })]
    [InlineData(new[] { 6, 0 }, new[] { 6 })]
    public void FromCounts_EmptyRuns_AreClosedUp(int[] counts, int[] expected) =>
    Assert.Equal(expected, RunLengths.FromCounts(2, 3, counts).Counts);

    [Theory]
    [InlineData(2, 3, new int[0], "there are no runs")]
    [InlineData(2, 3, new[] { 7, -1 }, "run 1 has the length -1")]
    [InlineData(2, 3, new[] { 2, 3 }, "the runs cover 5 cells, 2x3 has 6")]
    [InlineData(2, 3, new[] { int.MaxValue, int.MaxValue, 8 }, "cover 4294967302 cells")]
    [InlineData(0, 3, new[] { 0 }, "0x3 is not the size")]
    [InlineData(50000, 50000, new[] { 0 }, "50000x50000 is not the size")]
    public void FromCounts_NoMaskOfThisSize_SaysWhy(int width, int height, int[] counts, string says)
        => Assert.Contains(says, Assert.Throws<FormatException>(() =>
            RunLengths.FromCounts(width, height, counts)).Message, StringComparison.Ordinal);

    [Fact]
    public void Overlap_DifferentGrids_IsRefused()
        => Assert.Throws<ArgumentException>(() =>
            RunLengths.Overlap(new RunLengthMask(2, 3, [6]), new RunLengthMask(3, 2, [6])));

    [Theory]
    [InlineData(4)]
    [InlineData(7)]
    public void Rasterize_NotACornerList_IsRefused(int numbers) =>
    Assert.Throws<FormatException>(() => PolygonMask.Rasterize(9, 9, new double[numbers]));

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(1e300)]
    public void Rasterize_CornerThatIsNoPlace_IsRefused(double x) =>
    Assert.Throws<FormatException>(() => PolygonMask.Rasterize(9, 9, [x, 0, 3, 3, 4, 5]));

    private static byte[] Cells(Random random, int count)
    {
        var cells = new byte[count];
        var value = (byte)random.Next(2);
        for (var i = 0; i < count; i++) cells[i] = random.Next(3) == 0 ? value ^= 1 : value;
        return cells;
    }

    private static JsonDocument Cases() =>
        JsonDocument.Parse(File.ReadAllBytes(Shared.Path("data/cases/rle/rle_cases.json")));

    private static RunLengthMask Mask(JsonElement json) => CompressedRuns.Decode(json.GetProperty("size")[1]
        .GetInt32(), json.GetProperty("size")[0].GetInt32(), json.GetProperty("counts").GetString());

    private static double[] Corners(JsonElement json) => [.. json.EnumerateArray().Select(c => c.GetDouble())];
}
