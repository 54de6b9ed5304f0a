using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Tests.Masks;

public sealed class MaskBitsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    public void IoU_RandomPairs_EqualsCounting(int length)
    {
        var random = new Random(length);
        for (var trial = 0; trial < 50; trial++)
        {
            float[] a = Random(), b = Random();
            var (first, second) = (Bits(a), Bits(b));
            var both = Enumerable.Range(0, length).Count(i => a[i] > 0 && b[i] > 0);
            var any = Enumerable.Range(0, length).Count(i => a[i] > 0 || b[i] > 0);

            Assert.Equal(any == 0 ? 0 : (double)both / any, first.IoU(second), 12);
            Assert.Equal(first.IoU(second), second.IoU(first));
            Assert.Equal(a.Count(v => v > 0), first.Count);
        }

        float[] Random() =>
            [.. Enumerable.Range(0, length).Select(_ => random.Next(5) == 0 ? 0 : random.NextSingle() - 0.5f)];
    }

    [Fact]
    public void IoU_BothEmptyOrOtherGrid_IsZero()
    {
        Assert.Equal(0, Bits(new float[10]).IoU(Bits(new float[10])));
        Assert.Equal(0, Bits([.. Enumerable.Repeat(1f, 64)]).IoU(Bits([.. Enumerable.Repeat(1f, 128)])));
    }

    /// <summary>6 of 10 cells are a duplicate, 59 of 100 are not.</summary>
    [Theory]
    [InlineData(6, 10, true)]
    [InlineData(60, 100, true)]
    [InlineData(59, 100, false)]
    [InlineData(61, 100, true)]
    public void IsDuplicateOf_FromSixTenthsOn(int common, int union, bool expected)
    {
        var small = Bits([.. Enumerable.Range(0, union).Select(i => i < common ? 1f : -1f)]);
        var whole = Bits([.. Enumerable.Repeat(1f, union)]);
        Assert.Equal(expected, small.IsDuplicateOf([Bits(new float[union]), whole]));
        Assert.Equal(expected, whole.IsDuplicateOf([small]));
        Assert.False(small.IsDuplicateOf([]));
    }

    [Fact]
    public void CopyFrom_ThenAssignTheSource_KeepsTheCopy()
    {
        var source = Bits([1, -1, 1]);
        var copy = new MaskBits();
        copy.CopyFrom(source);

        source.Assign([-1, -1, 1]);

        Assert.Equal(2, copy.Count);
        Assert.Equal(0.5, copy.IoU(source));
    }

    private static MaskBits Bits(float[] logits)
    {
        var bits = new MaskBits();
        bits.Assign(logits);
        return bits;
    }
}
