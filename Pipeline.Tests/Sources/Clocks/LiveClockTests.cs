using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Clocks;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

public sealed class LiveClockTests
{
    private static readonly ManualTime s_time = new();
    private readonly LiveClock _clock = new(TimeSpan.FromSeconds(0.5), s_time);

    [Fact]
    public void Take_SteadyFrames_PassAsTheyAre()
    {
        for (var i = 0; i < 100; i++)
        {
            var (info, drop) = Take(i * 0.04, i * 0.04);
            Assert.Null(drop);
            Assert.Equal(i * 3600, info.Pts);
            Assert.Equal(info.Received, info.Capture.Stamp, TimeSpan.FromMicroseconds(10));
        }
    }

    [Fact]
    public void Take_OneDuplicate_IsDropped()
    {
        Take(0, 0);
        Assert.Equal("duplicate", Take(0.04, 0).Drop);
        Assert.Null(Take(0.08, 0.04).Drop);
    }

    [Fact]
    public void Take_TwoFramesSwapped_DropsTheLateOne()
    {
        Assert.Equal([null, null, "out_of_order", null],
            new[] { 0.00, 0.08, 0.04, 0.12 }.Select((pts, i) => Take(i * 0.04, pts).Drop));
    }

    [Fact]
    public void Take_ClockSetBackALittle_CostsOneFrameAndGoesOnFromThere()
    {
        var taken = new[] { 10.00, 10.04, 9.00, 9.04, 9.08 }.Select((pts, i) => Take(i * 0.04, pts)).ToList();

        Assert.Equal([null, null, "out_of_order", null, null], taken.Select(t => t.Drop));
        Assert.Equal(9.04 * 90000, taken[3].Info.Pts, 1.0);
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public void Take_ClockSetByAnHour_GoesOnFromThere(double seconds)
    {
        Take(0, 5000);
        var (info, drop) = Take(0.04, 5000 + seconds);

        Assert.Null(drop);
        Assert.Equal((long)((5000 + seconds) * 90000), info.Pts);
        Assert.Equal(info.Received, info.Capture.Stamp); // the old delay says nothing of the new clock
    }

    [Theory]
    [InlineData(32)]
    [InlineData(33)]
    public void Take_ClockWraps_GoesOnBeyond(int bits)
    {
        var range = 1L << bits;
        long[] raw = [range - 7200, range - 3600, 0, range - 1800, 3600, 7200]; // one comes late over the wrap
        var taken = raw.Select((pts, i) => _clock.Take(Frame(i * 0.04, pts))).ToList();

        Assert.Equal([null, null, null, "out_of_order", null, null], taken.Select(t => t.Drop));
        Assert.Equal([range - 7200, range - 3600, range, range + 3600, range + 7200], taken.Where(t => t.Drop is null)
            .Select(t => t.Info.Pts));
    }

    [Fact]
    public void Take_ThirdWrap_IsCountedToo()
    {
        long pts = 0;
        // half a minute apart: a gap to the pipeline, and still the same clock
        for (var i = 0; i < 5000; i++, pts += 2_700_000)
        {
            var (info, drop) = _clock.Take(Frame(i * 30.0, pts & 0xFFFF_FFFF));
            Assert.Null(drop);
            Assert.Equal(pts, info.Pts);
        }
    }

    [Theory]
    [InlineData(0.0)]   // stands still
    [InlineData(-0.04)] // runs backwards
    public void Take_UselessClock_IsGivenUpAfterASecond_AndArrivalStandsForIt(double step)
    {
        var passed = new List<FrameInfo>();
        for (var i = 0; i < 100; i++)
        {
            var (info, drop) = Take(i * 0.04, 100 + (i * step));
            if (drop is null) passed.Add(info);
        }

        Assert.True(_clock.Useless);
        Assert.InRange(passed.Count, 74, 76);
        Assert.All(passed.Skip(1).Zip(passed.Skip(2)), pair =>
            Assert.InRange(pair.Second.Pts - pair.First.Pts, 3598, 3602));
    }

    [Fact]
    public void Take_BacklogAfterAStall_IsDroppedAsFarAsItIsTooOld()
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
    public void Take_BacklogWithoutALimit_IsKept()
    {
        var patient = new LiveClock(null, s_time);
        Assert.All(Enumerable.Range(0, 75)
            .Select(i => patient.Take(Frame(i < 10 ? i * 0.04 : 5 + (i * 0.001), i * 3600)).Drop), Assert.Null);
    }

    [Theory]
    [InlineData(1.04)] // the camera's clock is slow
    [InlineData(0.96)] // and fast
    public void Take_CameraWhoseRateIsOff_LosesNothing(double rate)
    {
        for (var i = 0; i < 3000; i++) Assert.Null(Take(i * 0.04 * rate, i * 0.04).Drop);
    }

    [Fact]
    public void Take_Jitter_IsTakenOutOfTheCaptureTime()
    {
        var random = new Random(1);
        double worst = 0;
        DateTimeOffset last = default;
        for (var i = 0; i < 2000; i++)
        {
            var (info, drop) = Take((i * 0.04) + 0.1 + (random.NextDouble() * 0.03), i * 0.04);
            Assert.Null(drop);
            Assert.True(info.Capture.Stamp >= last);
            Assert.Equal((ClockSource.Arrival, null, false),
                (info.Capture.Source, info.Capture.ErrorMs, info.Capture.Synced));
            last = info.Capture.Stamp;
            if (i >= 250)
                worst = Math.Max(worst, Math.Abs((info.Capture.Stamp - Some.Now).TotalSeconds - (i * 0.04) - 0.1));
        }

        Assert.InRange(worst, 0, 0.003); // of 30 ms of jitter
    }

    [Fact]
    public void Take_WayBecomesLonger_IsTheNewNormalAfterAWhile()
    {
        for (var i = 0; i < 100; i++) Take(i * 0.04, i * 0.04);
        for (var i = 100; i < 200; i++) Take((i * 0.04) + 1, i * 0.04);
        var info = Take(9, 8).Info;

        Assert.Equal(info.Received, info.Capture.Stamp, TimeSpan.FromMicroseconds(10));
    }

    [Fact]
    public void Take_SourceThatKnowsItsTime_IsBelieved()
    {
        var frame = Some.FrameInfo(64, 48);
        Assert.Equal(frame.Capture, _clock.Take(frame).Info.Capture);
    }

    private (FrameInfo Info, string? Drop) Take(double received, double media) =>
        _clock.Take(Frame(received, (long)Math.Round(media * 90000)));

    private static FrameInfo Frame(double received, long pts)
    {
        var utc = Some.Now + TimeSpan.FromSeconds(received);
        return Some.FrameInfo(64, 48) with
        {
            Pts = pts,
            Received = utc,
            ReceivedTicks = ManualTime.Ticks(TimeSpan.FromSeconds(received)),
            Capture = new CaptureTime(utc, ClockSource.Arrival, 0, null, false),
        };
    }
}
