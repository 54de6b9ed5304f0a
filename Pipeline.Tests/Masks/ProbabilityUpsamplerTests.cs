using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class ProbabilityUpsamplerTests
{
    public const int Stride = 4;

    /// <summary>Without and with padding, upscaled and downscaled outputs, every grid, odd sizes.</summary>
    public static TheoryData<MaskGeometry> Geometries => new(
        new MaskGeometry(64, 48, 16, 12, 16, 12, 1),
        new MaskGeometry(96, 72, 16, 16, 16, 12, 1),
        new MaskGeometry(64, 48, 16, 12, 16, 12, 4),
        new MaskGeometry(131, 77, 24, 16, 23.25, 13.75, 1),
        new MaskGeometry(131, 77, 24, 16, 23.25, 13.75, 2),
        new MaskGeometry(40, 30, 24, 24, 22.5, 17, 1),
        new MaskGeometry(161, 93, 24, 16, 23.25, 13.5, 8),
        new MaskGeometry(9, 7, 8, 8, 8, 6.25, 1),
        new MaskGeometry(1, 40, 8, 16, 0.25, 10, 1));

    [Theory]
    [MemberData(nameof(Geometries))]
    public void OutputRow_AnyGeometry_IsTheOfficialProbability(MaskGeometry geometry)
    {
        var random = new Random(3);
        var upsampler = new ProbabilityUpsampler(Stride);
        for (var trial = 0; trial < 3; trial++)
        {
            var logits = Noise.Logits(random, geometry.GridWidth, geometry.GridHeight);
            var expected = PlainUpsampling.Probabilities(logits, geometry, Stride);

            upsampler.Prepare(geometry);
            var (low, high, row) =
                (new float[upsampler.InputWidth], new float[upsampler.InputWidth], new float[geometry.MaskWidth]);
            for (var y = 0; y < geometry.MaskHeight; y++)
            {
                var (a, b) = upsampler.RowsOf(y);
                upsampler.InputRow(logits, a, low);
                upsampler.InputRow(logits, b, high);
                upsampler.OutputRow(low, high, y, row);
                for (var x = 0; x < row.Length; x++) Assert.Equal(expected[y * row.Length + x], row[x], 2e-5);
            }
        }
    }
}
