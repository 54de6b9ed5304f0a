using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Segmentation;

public sealed class FramePreprocessorTests
{
    private static readonly InputRule Rule =
        new(160, 256, 32, [123.675f, 116.28f, 103.53f], [58.395f, 57.12f, 57.375f], "rgb");

    // From detectron2's ResizeShortestEdge arithmetic, evaluated in Python.
    [Theory]
    [InlineData(512, 320, 160, 256, 256, 160)]
    [InlineData(1920, 1080, 160, 256, 256, 144)]
    [InlineData(640, 480, 160, 256, 213, 160)]
    [InlineData(480, 640, 160, 256, 160, 213)]
    [InlineData(1080, 1920, 160, 256, 144, 256)]
    [InlineData(320, 320, 160, 256, 160, 160)]
    [InlineData(1920, 1080, 360, 1333, 640, 360)]
    [InlineData(3840, 100, 160, 256, 256, 7)]
    [InlineData(101, 67, 160, 256, 241, 160)]
    [InlineData(1280, 720, 160, 288, 284, 160)]
    [InlineData(1366, 768, 160, 288, 285, 160)] // 284.58
    [InlineData(768, 1366, 160, 288, 160, 285)]
    [InlineData(1000, 300, 160, 256, 256, 77)] // 76.8
    [InlineData(300, 1000, 160, 256, 77, 256)]
    public void For_AnySize_FollowsShortestEdgeRule(int width, int height, int shorter, int largest, int resizedWidth,
        int resizedHeight)
    {
        var g = InputGeometry.For(width, height, Rule with { ShorterSide = shorter, LargestSide = largest }, 4);
        Assert.Equal((resizedWidth, resizedHeight), (g.ResizedWidth, g.ResizedHeight));
        Assert.Equal((0, 0), (g.PaddedWidth % 32, g.PaddedHeight % 32));
        Assert.InRange(g.PaddedWidth - g.ResizedWidth, 0, 31);
        Assert.InRange(g.PaddedHeight - g.ResizedHeight, 0, 31);
        Assert.Equal((g.PaddedWidth / 4, g.PaddedHeight / 4), (g.MaskWidth, g.MaskHeight));
    }

    [Theory]
    [InlineData("rgb")]
    [InlineData("bgr")]
    public void Run_SizeKept_NormalisesPlanesAndPadsWithZero(string order)
    {
        var rule = Rule with { ShorterSide = 5, LargestSide = 100, Divisor = 4, ChannelOrder = order };
        using var pool = new FramePool();
        using var frame = pool.Rent(7, 5, Some.FrameInfo(7, 5));
        Lcg.Fill(frame.Pixels);
        var sut = new FramePreprocessor(rule, 4);
        var image = new float[3 * 8 * 8];
        Array.Fill(image, float.NaN);

        sut.Run(frame, image);

        for (var plane = 0; plane < 3; plane++)
            for (var y = 0; y < 8; y++)
                for (var x = 0; x < 8; x++)
                {
                    var channel = order == "rgb" ? plane : 2 - plane;
                    var expected = x < 7 && y < 5
                        ? (frame.Pixels[(y * frame.Width + x) * 3 + channel] - rule.Mean[plane]) / rule.Std[plane]
                        : 0f;
                    Assert.Equal(expected, image[(plane * 8 + y) * 8 + x]);
                }
    }

    [Fact]
    public void Run_SteadyState_AllocatesNothing()
    {
        using var pool = new FramePool();
        using var frame = pool.Rent(512, 320, Some.FrameInfo(512, 320));
        var sut = new FramePreprocessor(Rule, 4);
        var g = sut.GeometryOf(512, 320);
        var image = new float[3 * g.PaddedHeight * g.PaddedWidth];
        sut.Run(frame, image);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) sut.Run(frame, image);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Run_SizeChanges_GivesTheNewGeometry()
    {
        using var pool = new FramePool();
        var sut = new FramePreprocessor(Rule, 4);
        foreach (var (width, height) in new[] { (512, 320), (64, 64), (512, 320) })
        {
            using var frame = pool.Rent(width, height, Some.FrameInfo(width, height));
            var g = sut.GeometryOf(width, height);
            sut.Run(frame, new float[3 * g.PaddedHeight * g.PaddedWidth]);
            Assert.Equal((width, height), (g.SourceWidth, g.SourceHeight));
        }
    }

    [Fact]
    public void Run_ImageOfAnotherLength_Throws()
    {
        using var pool = new FramePool();
        using var frame = pool.Rent(64, 64, Some.FrameInfo(64, 64));
        Assert.Throws<ArgumentException>(() => new FramePreprocessor(Rule, 4).Run(frame, new float[12]));
    }
}
