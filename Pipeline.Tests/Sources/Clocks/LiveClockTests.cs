using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Clocks;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

public sealed class LiveClockTests
{
    private static readonly ManualTime s_time = new();
    private readonly LiveClock _clock = new(TimeSpan.FromSeconds(0.5), s_time);

    [Fact]
    public void Judge_SteadyFrames_PassAsTheyAre()
    {
        for (var i = 0; i < 100; i++)
        {
            var (pts, late, drop) = Take(i * 0.04, i * 0.04);
            Assert.Null(drop);
            Assert.Equal(i * 3600, pts);
            Assert.InRange(late, TimeSpan.Zero, TimeSpan.FromMicroseconds(10));
        }
    }

    [Fact]
    public void Judge_OneDuplicate_IsDropped()
    {
        Take(0, 0);
        Assert.Equal("duplicate", Take(0.04, 0).Drop);
        Assert.Null(Take(0.08, 0.04).Drop);
    }

    [Fact]
    public void Judge_TwoFramesSwapped_DropsTheLateOne()
    {
        Assert.Equal([null, null, "out_of_order", null],
            new[] { 0.00, 0.08, 0.04, 0.12 }.Select((pts, i) => Take(i * 0.04, pts).Drop));
    }

    [Fact]
    public void Judge_ClockSetBackALittle_CostsOneFrameAndGoesOnFromThere()
    {
        var taken = new[] { 10.00, 10.04, 9.00, 9.04, 9.08 }.Select((pts, i) => Take(i * 0.04, pts)).ToList();

        Assert.Equal([null, null, "out_of_order", null, null], taken.Select(t => t.Drop));
        Assert.Equal(9.04 * 90000, taken[3].Pts, 1.0);
    }

    /// <summary>Key frame and next frame before PLAY, and then from the first on: no other stretch of time.</summary>
    [Fact]
    public void Judge_FirstFramesSentTwice_DropsTheSecondOnes()
    {
        double[] sent = [10, 10.12, 10, 10.12, 10.04, 10.08, 10.24, 10.16, 10.2];
        var dropped = sent.Select((pts, i) => Take(i * 0.04, pts).Drop is not null);

        Assert.Equal([false, false, true, true, true, true, false, true, true], dropped);
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public void Judge_ClockSetByAnHour_GoesOnFromThere(double seconds)
    {
        Take(0, 5000);
        var (pts, late, drop) = Take(0.04, 5000 + seconds);

        Assert.Null(drop);
        Assert.Equal((long)((5000 + seconds) * 90000), pts);
        Assert.Equal(TimeSpan.Zero, late); // the old delay does not apply to the new clock
    }

    [Theory]
    [InlineData(32)]
    [InlineData(33)]
    public void Judge_ClockWraps_GoesOnBeyond(int bits)
    {
        var range = 1L << bits;
        long[] raw = [range - 7200, range - 3600, 0, range - 1800, 3600, 7200]; // one comes late over the wrap
        var taken = raw.Select((pts, i) => Take(_clock, i * 0.04, pts)).ToList();

        Assert.Equal([null, null, null, "out_of_order", null, null], taken.Select(t => t.Drop));
        Assert.Equal([range - 7200, range - 3600, range, range + 3600, range + 7200], taken.Where(t => t.Drop is null)
            .Select(t => t.Pts));
    }

    [Fact]
    public void Judge_ThirdWrap_IsCountedToo()
    {
        long pts = 0;
        // half a minute apart: a gap to the pipeline, and still the same clock
        for (var i = 0; i < 5000; i++, pts += 2_700_000)
        {
            var verdict = Take(_clock, i * 30.0, pts & 0xFFFF_FFFF);
            Assert.Null(verdict.Drop);
            Assert.Equal(pts, verdict.Pts);
        }
    }

    [Theory]
    [InlineData(0.0)]   // stands still
    [InlineData(-0.04)] // runs backwards
    public void Judge_UnreliableClock_IsGivenUpAfterASecond_AndArrivalStandsForIt(double step)
    {
        var passed = new List<long>();
        for (var i = 0; i < 100; i++)
        {
            var verdict = Take(i * 0.04, 100 + (i * step));
            if (verdict.Drop is null) passed.Add(verdict.Pts);
        }

        Assert.True(_clock.IsUnreliable);
        Assert.InRange(passed.Count, 74, 76);
        Assert.All(passed.Skip(1).Zip(passed.Skip(2)), pair =>
            Assert.InRange(pair.Second - pair.First, 3598, 3602));
    }

    [Fact]
    public void Judge_BacklogAfterAStall_IsDroppedAsFarAsItIsTooOld()
    {
        for (var i = 0; i < 50; i++) Take(i * 0.04, i * 0.04);
        // Three seconds of nothing, then what was held back, a frame a millisecond.
        var drops = Enumerable.Range(50, 75).Select(i =>
            (Age: 5 + ((i - 50) * 0.001) - (i * 0.04), Take(5 + ((i - 50) * 0.001), i * 0.04).Drop)).ToList();

        // one old frame may come: whether the camera's clock stood still meanwhile shows in the next
        Assert.Null(drops[0].Drop);
        Assert.All(drops.Skip(1), d => Assert.Equal(d.Age > 0.5 ? "stale" : null, d.Drop));
        Assert.Null(Take(5.08, 5.04).Drop);
    }

    [Fact]
    public void Judge_BacklogWithoutALimit_IsKept()
    {
        var patient = new LiveClock(null, s_time);
        Assert.All(Enumerable.Range(0, 75)
            .Select(i => Take(patient, i < 10 ? i * 0.04 : 5 + (i * 0.001), i * 3600).Drop), Assert.Null);
    }

    [Theory]
    [InlineData(1.04)] // the camera's clock is slow
    [InlineData(0.96)] // and fast
    public void Judge_CameraWhoseRateIsOff_LosesNothing(double rate)
    {
        for (var i = 0; i < 3000; i++) Assert.Null(Take(i * 0.04 * rate, i * 0.04).Drop);
    }

    [Fact]
    public void Judge_Jitter_IsTakenOutOfTheCaptureTime()
    {
        var random = new Random(1);
        double worst = 0, last = 0;
        for (var i = 0; i < 2000; i++)
        {
            var received = (i * 0.04) + 0.1 + (random.NextDouble() * 0.03);
            var verdict = Take(received, i * 0.04);
            Assert.Null(verdict.Drop);
            var captured = received - verdict.Late.TotalSeconds;
            Assert.True(captured >= last);
            last = captured;
            if (i >= 250) worst = Math.Max(worst, Math.Abs(captured - (i * 0.04) - 0.1));
        }

        Assert.InRange(worst, 0, 0.003); // of 30 ms of jitter
    }

    [Fact]
    public void Judge_WayBecomesLonger_IsTheNewNormalAfterAWhile()
    {
        for (var i = 0; i < 100; i++) Take(i * 0.04, i * 0.04);
        for (var i = 100; i < 200; i++) Take((i * 0.04) + 1, i * 0.04);

        Assert.InRange(Take(9, 8).Late, TimeSpan.Zero, TimeSpan.FromMicroseconds(10));
    }

    private LiveClock.Verdict Take(double received, double media) =>
        Take(_clock, received, (long)Math.Round(media * 90000));

    private static LiveClock.Verdict Take(LiveClock clock, double received, long pts) =>
        clock.Judge(pts, new Timebase(1, 90000), ManualTime.Ticks(TimeSpan.FromSeconds(received)));
}
