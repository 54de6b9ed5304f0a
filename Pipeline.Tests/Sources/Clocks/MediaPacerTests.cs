using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Clocks;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

public sealed class MediaPacerTests
{
    private readonly ManualTime _time = new();

    [Fact(Timeout = 120_000)]
    public async Task WaitAsync_InStep_WaitsForEachFramesTime()
    {
        var pacer = new MediaPacer(_time);
        Assert.True(await pacer.WaitAsync(Ms(5000), default)); // the first is due at once, wherever its clock stands

        var second = pacer.WaitAsync(Ms(5040), default).AsTask();
        _time.Advance(Ms(39));
        Assert.False(second.IsCompleted);
        _time.Advance(Ms(1));
        Assert.True(await second);
    }

    [Fact(Timeout = 120_000)]
    public async Task WaitAsync_AfterASlowReader_DoesNotBurst()
    {
        var pacer = new MediaPacer(_time);
        await pacer.WaitAsync(Ms(0), default);
        _time.Advance(Ms(1000)); // 25 frames late

        Assert.True(await pacer.WaitAsync(Ms(40), default));
        var next = pacer.WaitAsync(Ms(80), default).AsTask();
        Assert.False(next.IsCompleted);
        _time.Advance(Ms(40));
        Assert.True(await next);
    }

    [Theory(Timeout = 120_000)]
    [InlineData(3_600_000)]
    [InlineData(-3_600_000)]
    public async Task WaitAsync_TimestampsJump_StartsOverAtOnce(int jump)
    {
        var pacer = new MediaPacer(_time);
        await pacer.WaitAsync(Ms(0), default);

        Assert.True(await pacer.WaitAsync(Ms(jump), default));
        var next = pacer.WaitAsync(Ms(jump + 40), default).AsTask();
        Assert.False(next.IsCompleted);
        _time.Advance(Ms(40));
        Assert.True(await next);
    }

    [Fact(Timeout = 120_000)]
    public async Task WaitAsync_Stopped_SaysSo()
    {
        var pacer = new MediaPacer(_time);
        await pacer.WaitAsync(Ms(0), default);
        using var stop = new CancellationTokenSource();
        var waiting = pacer.WaitAsync(Ms(40), stop.Token).AsTask();

        await stop.CancelAsync();

        Assert.False(await waiting);
    }

    private static TimeSpan Ms(double value) => TimeSpan.FromMilliseconds(value);
}
