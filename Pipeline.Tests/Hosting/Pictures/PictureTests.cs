using Dvis.Streaming.Hosting.Pictures;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Hosting.Page;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Pictures;

/// <summary>Encoding of pictures, and how many are kept.</summary>
public sealed class PictureTests
{
    [Theory]
    [InlineData(512, 320, 512, 320)]
    [InlineData(960, 960, 960, 960)]
    [InlineData(1920, 1080, 960, 540)]
    [InlineData(1080, 1920, 540, 960)]
    [InlineData(16384, 1, 960, 1)]
    [InlineData(1, 1, 1, 1)]
    public void Encode_Frame_HasItsColours_AndAtMostTheLongestSide(
        int width, int height, int expectedWidth, int expectedHeight)
    {
        using var pool = new FramePool();
        using var frame = pool.Rent(width, height, Some.FrameInfo(width, height));
        for (var i = 0; i < frame.Pixels.Length; i++) frame.Pixels[i] = (byte)(i % 3 * 100 + 20);
        var picture = PictureEncoder.Encode(frame);
        var (rgb, w, h) = PageRig.Decode(picture.Jpeg);
        Assert.Equal((expectedWidth, expectedHeight), (w, h));
        Assert.Equal((expectedWidth, expectedHeight), (picture.Width, picture.Height));
        foreach (var (i, value) in rgb.Index()) Assert.InRange(value, i % 3 * 100 + 12, i % 3 * 100 + 28);
    }

    /// <summary>Red is the column and green the row of a pixel, times eight.</summary>
    [Theory]
    [InlineData(16, 16)]
    [InlineData(8, 8)]
    public void Encode_PartOfAFrame_ShowsThatPart(int longestSide, int expected)
    {
        using var pool = new FramePool();
        using var frame = pool.Rent(32, 24, Some.FrameInfo(32, 24));
        for (var i = 0; i < 32 * 24; i++)
            (frame.Pixels[3 * i], frame.Pixels[3 * i + 1]) = ((byte)(i % 32 * 8), (byte)(i / 32 * 8));

        var (rgb, width, height) = PageRig.Decode(
            PictureEncoder.Encode(frame, new(10, 5, 16, 16), longestSide).Jpeg);

        Assert.Equal((expected, expected), (width, height));
        Assert.InRange(rgb[0], 70, 100);
        Assert.InRange(rgb[1], 30, 60);
        Assert.InRange(rgb[^3], 185, 215);
        Assert.InRange(rgb[^2], 145, 175);
    }

    [Fact]
    public void Add_BeyondTheBounds_DropsTheOldest_ButKeepsOne()
    {
        var sut = new PictureRing(3, 100);
        foreach (var frame in (long[])[1, 2, 3, 4]) sut.Add(frame, Of(20));
        Assert.Equal([2, 3, 4], Kept(sut));
        sut.Add(5, Of(70));
        Assert.Equal([4, 5], Kept(sut));
        sut.Add(6, Of(1000));
        Assert.Equal([6], Kept(sut));
        sut.Add(7, Of(10));
        Assert.Equal([7], Kept(sut));
        sut.Clear();
        Assert.Empty(Kept(sut));
    }

    [Fact]
    public void Color_IsStable_AndDiffersBetweenNeighbours()
    {
        Assert.Equal(TrackColor.Of("01J", 7), TrackColor.Of("01J", 7));
        string[] colors = [.. Enumerable.Range(1, 12).Select(n => TrackColor.Of("01J", n))];
        Assert.Equal(12, colors.Distinct().Count());
        Assert.All(colors, c => Assert.Matches("^#[0-9a-f]{6}$", c));
    }

    private static Picture Of(int bytes) => new(new byte[bytes], 1, 1);

    private static IEnumerable<int> Kept(PictureRing ring) =>
        Enumerable.Range(1, 9).Where(frame => ring.Find(frame) is not null);
}
