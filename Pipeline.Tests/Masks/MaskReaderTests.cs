using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class MaskReaderTests
{
    [Fact]
    public void Load_WantedQueries_AreReadInTheirOrder()
    {
        var geometry = new MaskGeometry(32, 16, 8, 4, 8, 4, 4);
        using var features = new Tensor(1, 2, 4, 8);
        for (var y = 0; y < 4; y++)
        {
            for (var x = 0; x < 8; x++)
            {
                features.Span[y * 8 + x] = x < 4 ? 1 : -1; // channel 0: the left half
                features.Span[32 + y * 8 + x] = y < 2 ? 1 : -1; // channel 1: the upper half
            }
        }

        var reader = new MaskReader(2, contours: true);
        reader.Load([1, 0, 0, 1, -1, 0], features, [1, 2], geometry);

        var upper = reader.Encode(0)!;
        Assert.Equal((0f, 0f, 32f, 8f), (upper.Box.X, upper.Box.Y, upper.Box.Width, upper.Box.Height));
        var right = reader.Encode(1)!;
        Assert.Equal((16f, 0f, 16f, 16f), (right.Box.X, right.Box.Y, right.Box.Width, right.Box.Height));
        Assert.Equal(16, reader.Bits(0).Count);
        Assert.Equal(8 / 24.0, reader.Bits(0).IoU(reader.Bits(1)));
        Assert.Equal(8, reader.Trace(right.Mask)!.Points.Length);
        Assert.Null(new MaskReader(2, contours: false).Trace(right.Mask));
    }

    [Fact]
    public void GeometryOf_PaddedInput_CoversOnlyTheContent()
    {
        var rule = new InputRule(160, 256, 32, [0, 0, 0], [1, 1, 1], "rgb");

        var geometry = MaskReader.GeometryOf(InputGeometry.For(1280, 720, rule, 4), 4);

        Assert.Equal((64, 40), (geometry.GridWidth, geometry.GridHeight));
        Assert.Equal(64, geometry.ContentWidth);
        Assert.Equal(36, geometry.ContentHeight);
        Assert.Equal((320, 180), (geometry.MaskWidth, geometry.MaskHeight));
    }
}
