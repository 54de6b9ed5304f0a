using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class LabelMapReaderTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(31, 7, 1)]
    [InlineData(32, 40, 4)]
    [InlineData(33, 3, 2)]
    [InlineData(100, 64, 1)]
    public void Read_AnyMap_GivesEveryMaskAndTheWholeMap(int width, int height, int cell)
    {
        var random = new Random(2);
        var reader = new LabelMapReader();
        var geometry = new MaskGeometry(width * cell, height * cell, 1, 1, 1, 1, cell);
        for (var trial = 0; trial < 4; trial++)
        {
            // Labels 1 and 3 become one value, 4 becomes nothing.
            ushort[] values = [0, 1, 2, 1, 0];
            var labels = new ushort[width * height];
            for (var i = 0; i < labels.Length; i++)
                labels[i] = i > 0 && random.Next(4) > 0 ? labels[i - 1] : (ushort)random.Next(trial == 0 ? 1 : 5);

            reader.Read(labels, values, 2, geometry);

            var map = Decode(reader.Runs(), width, height);
            for (var i = 0; i < labels.Length; i++) Assert.Equal(values[labels[i]], map[i]);
            for (var value = 1; value <= 2; value++)
            {
                var expected = new Bitmap(width, height);
                for (var i = 0; i < labels.Length; i++) expected[i % width, i / width] = values[labels[i]] == value;
                var mask = reader.Mask(value);
                Assert.Equal(expected.Area == 0, mask is null);
                if (mask is null) continue;
                Assert.Equal(expected.Encode().Counts, mask.Mask.Counts);
                Assert.Equal(expected.Area * (double)cell * cell, mask.AreaPx);
            }
        }
    }

    /// <summary>Row by row from value, length, value, length, … down the columns.</summary>
    internal static int[] Decode(IReadOnlyList<int> runs, int width, int height)
    {
        var map = new int[width * height];
        var at = 0;
        for (var i = 0; i < runs.Count; i += 2)
            for (var end = at + runs[i + 1]; at < end; at++) map[at % height * width + at / height] = runs[i];
        Assert.Equal(map.Length, at);
        return map;
    }
}
