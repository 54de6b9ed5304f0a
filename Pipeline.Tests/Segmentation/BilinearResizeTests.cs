using System.Security.Cryptography;
using Dvis.Streaming.Pipeline.Segmentation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Segmentation;

public sealed class BilinearResizeTests
{
    // sha256 (first half) of Image.frombytes("RGB", source, noise).resize(target,
    // Image.BILINEAR).tobytes(), Pillow 9.4.0.
    [Theory]
    [InlineData(512, 320, 256, 160, "0203f7a0fe96e9eb")]
    [InlineData(1920, 1080, 285, 160, "fbedcdffeed4e60c")]
    [InlineData(640, 480, 213, 160, "49cd72a5d20519e9")]
    [InlineData(64, 48, 160, 120, "ea9bf4ad935daa47")]
    [InlineData(101, 67, 37, 53, "f56980f01c280a02")]
    [InlineData(37, 53, 101, 67, "27335210065002e4")]
    [InlineData(33, 7, 33, 5, "f761bd77a6e5fc9e")]
    [InlineData(7, 33, 5, 33, "2c8d56087a6b8b63")]
    [InlineData(1, 1, 1, 1, "0ba3c0c9fa4fa363")]
    [InlineData(1, 1, 5, 3, "b59bb89b7f8c1b38")]
    [InlineData(1, 40, 4, 160, "f6fa8b527397d19e")]
    [InlineData(9, 1, 160, 18, "cde3b04af496af3e")]
    [InlineData(300, 300, 1, 1, "d732297babadbbda")]
    [InlineData(17, 17, 16, 18, "0947d2d066aab693")]
    [InlineData(1279, 721, 283, 160, "648a72cbac4a6a8f")]
    public void Row_AnySizes_EqualsPillow(int sourceWidth, int sourceHeight, int width, int height, string sha256)
    {
        var source = new byte[sourceWidth * sourceHeight * 3];
        Lcg.Fill(source);
        Assert.Equal(sha256,
            Convert.ToHexStringLower(SHA256.HashData(Resize(source, sourceWidth, sourceHeight, width, height)))[..16]);
    }

    [Theory]
    [InlineData(37, 53, 101, 67)]
    [InlineData(97, 61, 20, 13)]
    [InlineData(256, 9, 64, 5)]
    public void Row_AnySizes_EqualsScalarTwin(int sourceWidth, int sourceHeight, int width, int height)
    {
        var source = new byte[sourceWidth * sourceHeight * 3];
        Lcg.Fill(source, 7);
        Assert.Equal(ScalarResize(source, sourceWidth, sourceHeight, width, height),
            Resize(source, sourceWidth, sourceHeight, width, height));
    }

    [Fact]
    public void Row_WhitePicture_StaysWhite()
    {
        var source = new byte[97 * 61 * 3];
        source.AsSpan().Fill(255);
        Assert.All(Resize(source, 97, 61, 33, 40), value => Assert.Equal(255, value));
    }

    private static byte[] Resize(byte[] source, int sourceWidth, int sourceHeight, int width, int height)
    {
        var resize = new BilinearResize(sourceWidth, sourceHeight, width, height);
        var result = new byte[width * height * 3];
        resize.Begin(source);
        for (var y = 0; y < height; y++) resize.Row(source, y).CopyTo(result.AsSpan(y * width * 3));
        return result;
    }

    private static byte[] ScalarResize(byte[] source, int sourceWidth, int sourceHeight, int width, int height)
    {
        var (h, v) = (new ResizeWeights(sourceWidth, width), new ResizeWeights(sourceHeight, height));
        var narrow = new byte[width * sourceHeight * 3];
        var result = new byte[width * height * 3];
        for (var y = 0; y < sourceHeight; y++)
            for (var x = 0; x < width * 3; x++)
                narrow[y * width * 3 + x] =
                    Weigh(h.Of(x / 3), t => source[(y * sourceWidth + h.Starts[x / 3] + t) * 3 + x % 3]);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width * 3; x++)
                result[y * width * 3 + x] = Weigh(v.Of(y), t => narrow[(v.Starts[y] + t) * width * 3 + x]);
        return result;
    }

    private static byte Weigh(ReadOnlySpan<int> weights, Func<int, byte> source)
    {
        var sum = 1 << 21;
        for (var t = 0; t < weights.Length; t++) sum += weights[t] * source(t);
        return (byte)Math.Clamp(sum >> 22, 0, 255);
    }
}
