using Dvis.Streaming.Evaluation.Running;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class TensorSpillTests
{
    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 1e-3)]
    public void Read_InAnyOrder_GivesWhatWasWritten(bool half, double relative)
    {
        var random = new Random(1);
        var rows = Enumerable.Range(0, 5)
            .Select(_ => Enumerable.Range(0, 37).Select(_ => random.NextSingle() * 20 - 10).ToArray()).ToArray();
        using var spill = new TensorSpill(37, half);
        foreach (var row in new[] { 3, 0, 1, 4, 2 }) spill.Write(row, rows[row]);

        foreach (var row in new[] { 2, 2, 0, 4, 1, 3 })
        {
            var found = new float[37];
            spill.Read(row, found);
            for (var i = 0; i < found.Length; i++)
                Assert.Equal(rows[row][i], found[i], Math.Abs(rows[row][i]) * relative);
        }

        Assert.Equal(5 * 37 * (half ? 2 : 4), spill.Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Read_PartsOfRows_GivesWhatWasWritten(bool half)
    {
        using var spill = new TensorSpill(5, half);
        spill.Write(1, [1, 2, 3, 4, 5]);
        spill.Write(1, [7, 8], start: 3);
        spill.Write(0, [9], start: 4);

        var found = new float[3];
        spill.Read(1, found, start: 2);

        Assert.Equal([3, 7, 8], found);
        spill.Read(0, found, start: 2);
        Assert.Equal([0, 0, 9], found);
        Assert.Throws<ArgumentOutOfRangeException>(() => spill.Read(0, found, start: 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => spill.Write(0, found, start: -1));
    }

    [Fact]
    public void Read_RowThatWasNotWritten_Throws()
    {
        using var spill = new TensorSpill(4, half: false);
        spill.Write(0, [1, 2, 3, 4]);

        Assert.Throws<EndOfStreamException>(() => spill.Read(1, new float[4]));
    }
}
