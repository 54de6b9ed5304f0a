using Dvis.Streaming.Sources.Clocks;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

public sealed class RateLimiterTests
{
    [Theory]
    [InlineData(25, 10, 400)]
    [InlineData(30, 29, 1160)]
    [InlineData(25, 25, 1000)]
    [InlineData(12.5, 25, 500)]
    [InlineData(25, 0, 1000)]
    public void Allows_EvenFrames_LetsTheRateThrough(double fps, double most, int expected)
    {
        var limiter = new RateLimiter(most);
        var passed = Enumerable.Range(0, (int)(40 * fps)).Count(i => limiter.Allows(i / fps));

        Assert.InRange(passed, expected - 1, expected + 2);
    }

    [Fact]
    public void Allows_JitterAtTheLimit_DropsAlmostNothing()
    {
        var (limiter, random) = (new RateLimiter(25), new Random(3));

        var passed = Enumerable.Range(0, 1000).Count(i => limiter.Allows((i + (0.4 * random.NextDouble())) / 24.9));

        Assert.InRange(passed, 998, 1000);
    }

    /// <summary>Ten times 0.1 s is not quite 1 s, and no frame must be lost by that.</summary>
    [Fact]
    public void Allows_FramesExactlyAtTheLimit_DropsNone()
    {
        var (limiter, seconds) = (new RateLimiter(10), 0.0);

        for (var i = 0; i < 1000; i++, seconds += 0.1) Assert.True(limiter.Allows(seconds), $"frame {i}");
    }

    [Fact]
    public void Allows_ClockStepsBack_GoesOn()
    {
        var limiter = new RateLimiter(1);
        limiter.Allows(1000);

        Assert.True(limiter.Allows(3));
        Assert.False(limiter.Allows(3.5));
    }
}
