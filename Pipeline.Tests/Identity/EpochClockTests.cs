using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Identity;

public sealed class EpochClockTests
{
    private long _frames;
    private readonly EpochClock _clock = new(TimeSpan.FromSeconds(10), new ManualTime());

    [Fact]
    public void Advance_FirstFrame_Starts()
    {
        Assert.Equal("start", _clock.Advance(Frame(0, 0)));
        Assert.Equal(0, _clock.Seconds);
    }

    [Fact]
    public void Advance_SteadyStream_CountsMediaTime()
    {
        _clock.Advance(Frame(0, 100));
        Assert.Null(_clock.Advance(Frame(0.9, 100.5)));
        Assert.Null(_clock.Advance(Frame(1.1, 101)));

        Assert.Equal(1, _clock.Seconds, 6);
    }

    [Theory]
    [InlineData(-3000.0)]
    [InlineData(0.0)]
    [InlineData(6.0)]
    [InlineData(95443.7)] // 33 bits of 1/90000 s
    public void Advance_PresentationTimeJumps_Breaks(double jump)
    {
        _clock.Advance(Frame(0, 5000));
        Assert.Equal("clock_jump", _clock.Advance(Frame(0.25, 5000 + jump)));
        Assert.Equal(0, _clock.Seconds);

        Assert.Null(_clock.Advance(Frame(0.3, 5000 + jump + 0.04)));

        Assert.Equal(0.04, _clock.Seconds, 6);
    }

    [Fact]
    public void Advance_PicturesLostOnTheWay_AreSilenceAndNoJump()
    {
        _clock.Advance(Frame(0, 0));
        Assert.Null(_clock.Advance(Frame(7, 6)));
        Assert.Equal((7, TimeSpan.FromSeconds(7)), (_clock.Seconds, _clock.Silence));

        Assert.Null(_clock.Advance(Frame(7.1, 6.1)));

        Assert.Equal(0.1, _clock.Silence.TotalSeconds, 6);
    }

    [Theory]
    [InlineData(0.01, 7.0)] // a still picture in a file that is read as fast as it goes
    [InlineData(60.0, 0.04)] // a reader that was busy elsewhere
    public void Advance_FileReadAtAnotherPace_GoesOn(double received, double media)
    {
        _clock.Advance(OfFile(Frame(0, 0)));
        Assert.Null(_clock.Advance(OfFile(Frame(received, media))));
        Assert.Equal(TimeSpan.Zero, _clock.Silence);
    }

    [Theory]
    [InlineData(9.9, null)]
    [InlineData(10, null)]
    [InlineData(10.000001, "gap")]
    [InlineData(10.1, "gap")]
    public void Advance_Silence_BreaksAfterTheLimit(double seconds, string? reason)
    {
        _clock.Advance(Frame(0, 0));

        Assert.Equal(reason, _clock.Advance(Frame(seconds, seconds)));
    }

    [Fact]
    public void Advance_AnotherSession_Breaks()
    {
        _clock.Advance(Frame(0, 0));
        _clock.Advance(Frame(1, 1));

        Assert.Equal("source_restarted", _clock.Advance(Frame(1.1, 1.1) with { Session = 1 }));
        Assert.Equal(0, _clock.Seconds);
        Assert.Null(_clock.Advance(Frame(1.2, 1.2) with { Session = 1 }));
    }

    [Fact]
    public void Advance_Asked_BreaksWhateverElseHasChanged()
    {
        Assert.Equal("start", _clock.Advance(Frame(0, 0), asked: true));

        Assert.Equal("command", _clock.Advance(Frame(1, 1) with { Session = 1 }, asked: true));
        Assert.Equal(0, _clock.Seconds);
        Assert.Null(_clock.Advance(Frame(1.1, 1.1) with { Session = 1 }));
    }

    [Theory]
    [InlineData(320, 241)]
    [InlineData(321, 240)]
    public void Advance_AnotherSize_Breaks(int width, int height)
    {
        _clock.Advance(Frame(0, 0));

        Assert.Equal("resolution_change", _clock.Advance(Frame(0.1, 0.1) with { Width = width, Height = height }));
    }

    private static FrameInfo OfFile(FrameInfo frame) =>
        frame with { Capture = frame.Capture with { Source = ClockSource.FilePts } };

    private FrameInfo Frame(double received, double media) => Some.FrameInfo(320, 240) with
    {
        ReceivedTicks = ManualTime.Ticks(TimeSpan.FromSeconds(received)),
        Pts = (long)Math.Round(media * 90000),
        FrameId = ++_frames,
    };
}
