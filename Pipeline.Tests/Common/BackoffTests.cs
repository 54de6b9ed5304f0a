using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Pipeline.Tests.Common;

public sealed class BackoffTests
{
    [Fact]
    public void Next_WithJitter_StaysWithinItsShareAndTheMaximum()
    {
        var options =
            new BackoffOptions { Initial = TimeSpan.FromSeconds(1), Max = TimeSpan.FromSeconds(60), Jitter = 0.2 };
        for (var seed = 0; seed < 200; seed++)
        {
            var backoff = new Backoff(options, new Random(seed));
            for (var step = 0; step < 100; step++)
            {
                var exact = Math.Min(Math.Pow(2, step), 60);
                Assert.InRange(backoff.Next().TotalSeconds, (exact * 0.8) - 1e-6, exact + 1e-6);
            }
        }
    }

    [Fact]
    public void Next_TwoCameras_ComeBackAtDifferentTimes()
        => Assert.NotEqual(new Backoff(new BackoffOptions(), new Random(1))
            .Next(), new Backoff(new BackoffOptions(), new Random(2)).Next());

    [Fact]
    public void Reset_AfterManySteps_BeginsAtTheInitialPause()
    {
        var backoff = new Backoff(new BackoffOptions { Jitter = 0 }, new Random(1));
        for (var i = 0; i < 10; i++) backoff.Next();

        backoff.Reset();

        Assert.Equal(TimeSpan.FromSeconds(1), backoff.Next());
    }
}
