using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods.GenVis;

namespace Dvis.Streaming.Pipeline.Tests.Methods.GenVis;

public sealed class PrototypeMemoryTests
{
    private const int Slots = 3;
    private readonly Random _random = new(5);

    public static TheoryData<MemoryPolicy, int, int> Rules => new()
    {
        { MemoryPolicy.Merge, 2, 8 }, { MemoryPolicy.Merge, 7, 5 }, { MemoryPolicy.Merge, 16, 256 },
        { MemoryPolicy.Ring, 1, 3 }, { MemoryPolicy.Ring, 7, 20 }, { MemoryPolicy.Ring, 16, 256 },
    };

    /// <summary>Far beyond the cap, through every state of the merge: powers of two, and none that are equal.</summary>
    [Theory]
    [MemberData(nameof(Rules))]
    public void Read_AnyNumberOfClips_IsThatOfTheRule(MemoryPolicy policy, int clips, int channels)
    {
        var rule = new MemoryRule(clips, policy);
        using var sut = new PrototypeMemory(Slots, channels, rule);
        PlainMemory[] plain = [new(rule), new(rule), new(rule)];
        for (var i = 0; i < 10 * clips; i++)
        {
            AssertReads(plain, sut, channels);
            Append(plain, sut, channels);
        }

        Assert.Equal(clips, sut.Entries);
        Assert.Equal(9 * clips, sut.Merged);
    }

    /// <summary>Up to the cap both policies are the official memory, which has no bound.</summary>
    [Theory]
    [InlineData(MemoryPolicy.Merge)]
    [InlineData(MemoryPolicy.Ring)]
    public void Read_UpToTheCap_IsTheUnboundedMemory(MemoryPolicy policy)
    {
        const int clips = 24;
        using var sut = new PrototypeMemory(Slots, 32, new MemoryRule(clips, policy));
        var unbounded = new MemoryRule(int.MaxValue);
        PlainMemory[] plain = [new(unbounded), new(unbounded), new(unbounded)];
        for (var i = 0; i < clips; i++) Append(plain, sut, 32);

        AssertReads(plain, sut, 32);
        Assert.Equal((clips, 0), (sut.Entries, sut.Merged));
    }

    /// <summary>n equal keys weigh n times as much: with them, nothing is lost beyond the cap.</summary>
    [Fact]
    public void Read_EqualKeysBeyondTheCap_IsTheUnboundedMemory()
    {
        const int channels = 16, clips = 6;
        using var sut = new PrototypeMemory(1, channels, new MemoryRule(clips));
        var plain = new PlainMemory(new MemoryRule(int.MaxValue));
        var key = Draw(channels);
        for (var i = 0; i < 100; i++)
        {
            var value = Draw(channels);
            sut.Append(key, value);
            plain.Append(key, value);
        }

        AssertReads([plain], sut, channels);
    }

    /// <summary>Scores of several hundred: their exponentials are no float32.</summary>
    [Fact]
    public void Read_LargeScores_IsFinite()
    {
        const int channels = 64;
        using var sut = new PrototypeMemory(1, channels, new MemoryRule(8));
        var plain = new PlainMemory(new MemoryRule(8));
        for (var i = 0; i < 8; i++)
        {
            var (key, value) = (Array.ConvertAll(Draw(channels), v => 60 * v), Draw(channels));
            sut.Append(key, value);
            plain.Append(key, value);
        }

        AssertReads([plain], sut, channels, scale: 60);
    }

    /// <summary>A restarted slot has the memory of a new stream; the others keep theirs.</summary>
    [Theory]
    [InlineData(MemoryPolicy.Merge, 3)]
    [InlineData(MemoryPolicy.Merge, 19)]
    [InlineData(MemoryPolicy.Ring, 19)]
    public void Clear_OneSlot_EmptiesItsColumnAlone(MemoryPolicy policy, int before)
    {
        var rule = new MemoryRule(8, policy);
        using var sut = new PrototypeMemory(Slots, 12, rule);
        PlainMemory[] plain = [new(rule), new(rule), new(rule)];
        for (var i = 0; i < before; i++) Append(plain, sut, 12);

        sut.Clear(1);
        plain[1].Clear();

        AssertReads(plain, sut, 12);
        for (var i = 0; i < 20; i++)
        {
            Append(plain, sut, 12);
            AssertReads(plain, sut, 12);
        }
    }

    [Fact]
    public void Clear_AllSlots_ReadsNothing()
    {
        using var sut = new PrototypeMemory(Slots, 4, new MemoryRule(2));
        for (var i = 0; i < 5; i++) sut.Append(Draw(Slots * 4), Draw(Slots * 4));
        var sums = Draw(Slots * 4);
        float[] before = [.. sums];

        sut.Clear();
        sut.Read(Draw(Slots * 4), sums);

        Assert.Equal(before, sums);
        Assert.Equal((0, 0), (sut.Entries, sut.Merged));
    }

    [Fact]
    public void Bytes_OfTheOfficialSizes_AreThoseOfKeysAndValuesAndAFewPerEntry()
    {
        using var sut = new PrototypeMemory(100, 256, new MemoryRule(128));

        Assert.Equal(2L * 128 * 100 * 256 * 4 + 128 * 100 * 16, sut.Bytes);
    }

    private void Append(PlainMemory[] plain, PrototypeMemory sut, int channels)
    {
        var (keys, values) = (Draw(plain.Length * channels), Draw(plain.Length * channels));
        sut.Append(keys, values);
        foreach (var (slot, memory) in plain.Index())
            memory.Append(keys[(slot * channels)..][..channels], values[(slot * channels)..][..channels]);
    }

    private void AssertReads(PlainMemory[] plain, PrototypeMemory sut, int channels, float scale = 1)
    {
        var (queries, sums) = (Draw(plain.Length * channels), new float[plain.Length * channels]);
        for (var i = 0; i < queries.Length; i++) queries[i] *= scale;
        sut.Read(queries, sums);
        foreach (var (slot, memory) in plain.Index())
        {
            var expected = memory.Read(queries[(slot * channels)..][..channels]);
            for (var c = 0; c < channels; c++) Assert.Equal(expected[c], sums[slot * channels + c], 2e-5 * scale);
        }
    }

    private float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(_random.NextDouble() - 0.5))];
}
