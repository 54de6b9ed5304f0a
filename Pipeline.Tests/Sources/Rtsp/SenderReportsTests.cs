using System.Buffers.Binary;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>
/// T1: capture times from the camera's own reports. Complaints answered: stamps that slide with the
/// decoder's or the network's delay; everything dropped because reports never come; an hour's error after a camera's
/// clock was set.
/// </summary>
public sealed class SenderReportsTests
{
    private const uint Source = 0x12345678;
    private static readonly TimeSpan s_day = TimeSpan.FromDays(1);
    private readonly ManualTime _time = new();

    [Theory]
    [InlineData(0)]
    [InlineData(-86_400)]      // set a day late
    [InlineData(-1_772_366_400)] // never set: it began at 1970
    [InlineData(946_684_800)]  // in the year 2056, past the end of NTP's first era
    public void At_CameraWhoseClockIsOff_IsTheMomentOfThePicture_AndTheOffsetIsTold(double off)
    {
        var camera = new Camera(this, off);
        for (var i = 0; i < 10; i++) camera.Report(delay: 0.003);
        var taken = _time.GetUtcNow();
        var frame = camera.Picture(delay: 0.150);

        var capture = camera.At(frame)!.Value;

        Assert.Equal((ClockSource.RtcpSr, true), (capture.Source, capture.Synced));
        // half of the round trip of 8 ms, one for sending, and what the clocks may have drifted since
        Assert.InRange(capture.ErrorMs!.Value, 5, 6);
        Assert.InRange(Math.Abs((capture.Stamp - taken).TotalMilliseconds), 0, capture.ErrorMs.Value);
        // The estimate is half of the round trip, 4 ms; the reports took 3.
        Assert.InRange(Math.Abs(capture.OffsetMs + (off * 1000)), 0.9, 1.1);
    }

    /// <summary>The truth lies within the bound as long as the fastest report took no longer than the fastest round
    /// trip.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void At_AnyDelaysAndDrift_ErrsByNoMoreThanItSays(int seed)
    {
        var random = new Random(seed);
        var camera = new Camera(this, off: 4000, roundTrip: 0.02 + (0.2 * random.NextDouble()))
        { Drift = 1.8e-4 * (random.NextDouble() - 0.5) };
        for (var i = 0; i < 400; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(random.NextDouble()));
            if (i % 7 == 0) camera.Report(delay: random.NextDouble() < 0.5 ? 0.01 : random.NextDouble());
            if (i < 50) continue; // eight reports, one of them fast
            var taken = _time.GetUtcNow();
            var capture = camera.At(camera.Picture(delay: random.NextDouble() * 0.5))!.Value;
            Assert.True(Math.Abs((capture.Stamp - taken).TotalMilliseconds) <= capture.ErrorMs,
                $"{i}: {capture}, taken {taken:O}");
        }
    }

    /// <summary>A network that is congested for minutes delays reports and frames alike: the offset of the clocks
    /// stays.</summary>
    [Fact]
    public void At_TheWayBecomesSlower_StillKnows()
    {
        var camera = new Camera(this);
        for (var i = 0; i < 5; i++) Later(report: 0.003, picture: 0.1);
        for (var i = 0; i < 50; i++) Later(report: 0.8, picture: 0.9);

        void Later(double report, double picture)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            camera.Report(report);
            Check(camera, picture, most: 40);
        }
    }

    /// <summary>Timestamps that count frames of 29.97 a second as 30;
    /// a camera's clock that is put right by some time every hour.</summary>
    [Theory]
    [InlineData(0.001, 0)]
    [InlineData(-0.001, 0)]
    [InlineData(0, 0.07)]
    [InlineData(0, -0.07)]
    public void At_RateOrClockIsAMereBitOff_ErrsByNoMoreThanItSays(double rate, double set)
    {
        var camera = new Camera(this) { Rate = rate };
        for (var i = 0; i < 200; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            if (i == 100) camera.Off += set;
            camera.Report();
            if (i > 0) Check(camera, delay: 0.1, most: set == 0 ? 20 : 110);
        }
    }

    private void Check(Camera camera, double delay, double most)
    {
        var taken = _time.GetUtcNow();
        var capture = camera.At(camera.Picture(delay))!.Value;
        Assert.InRange(capture.ErrorMs!.Value, 4, most);
        Assert.InRange(Math.Abs((capture.Stamp - taken).TotalMilliseconds), 0, capture.ErrorMs.Value);
    }

    [Fact]
    public void At_NothingToGoBy_IsNull()
    {
        var camera = new Camera(this, answered: false);
        Assert.Null(camera.At(camera.Picture())); // no report
        camera.Report();
        Assert.Null(camera.At(camera.Picture())); // no round trip
        camera.Reports.Answered(TimeSpan.FromMilliseconds(8));
        var frame = camera.Picture();
        Assert.NotNull(camera.At(frame));
        // a timestamp that never came: the decoder counts from elsewhere
        Assert.Null(camera.At(frame with { Pts = frame.Pts + 1 }));
    }

    [Fact]
    public void At_NotFollowedOrOtherChannels_IsNull()
    {
        var camera = new Camera(this, channel: 4);
        camera.Report();
        Assert.NotNull(camera.At(camera.Picture()));

        var deaf = new Camera(this, channel: 4, followed: 2);
        deaf.Report();
        Assert.Null(deaf.At(deaf.Picture()));
    }

    [Fact]
    public void Received_ReportsOfOthersOrWithoutAClock_AreLeftOut()
    {
        var camera = new Camera(this);
        var frame = camera.Picture();
        camera.Report(source: 99);
        camera.Send(1, RtcpPacket.SenderReport(Source, 0, 1)); // "no wall clock" (RFC 3550, 6.4.1)
        Assert.Null(camera.At(frame));

        // Within a compound packet, behind others, as it comes from real cameras.
        camera.Send(1, [.. (byte[])[0x81, 202, 0, 1, 1, 2, 3, 4], .. camera.ReportNow()]);
        Assert.NotNull(camera.At(camera.Picture()));
    }

    [Fact]
    public void At_TheTimestampsWrapBetweenReportAndPicture_GoesOn()
    {
        var camera = new Camera(this) { Begin = uint.MaxValue - 45_000 };
        camera.Report();
        _time.Advance(TimeSpan.FromSeconds(1));
        var taken = _time.GetUtcNow();
        Assert.InRange(Math.Abs((camera.At(camera.Picture())!.Value.Stamp - taken).TotalMilliseconds), 0, 5);
    }

    /// <summary>±1 h, on the camera's side: the next report counts; frames before it use the old one.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void At_TheCamerasClockIsSet_IsRightBeforeAndAfter(int hours)
    {
        var camera = new Camera(this, off: 0);
        for (var i = 0; i < 8; i++) camera.Report();
        camera.Off += 3600 * hours;
        Check(0);
        camera.Report();
        Check(hours);

        void Check(int expected)
        {
            var taken = _time.GetUtcNow();
            var capture = camera.At(camera.Picture())!.Value;
            Assert.InRange(Math.Abs((capture.Stamp - taken).TotalMilliseconds), 0, capture.ErrorMs!.Value);
            Assert.InRange(capture.OffsetMs + (3_600_000 * expected), -10, 10);
        }
    }

    /// <summary>Our own wall clock is in the stamp and in the offset, and in nothing else.</summary>
    [Fact]
    public void At_OurClockIsSet_FollowsIt()
    {
        var camera = new Camera(this);
        camera.Report();
        var frame = camera.Picture();
        var before = camera.At(frame)!.Value;
        var after = camera.At(frame with { Received = frame.Received + s_day })!.Value;
        Assert.Equal((s_day, 86_400_000), (after.Stamp - before.Stamp, Math.Round(after.OffsetMs - before.OffsetMs)));
        Assert.Equal(before.ErrorMs, after.ErrorMs);
    }

    [Fact]
    public void At_ReportsThatCannotBe_AreNotBelieved()
    {
        var camera = new Camera(this);
        camera.Report(ahead: 3 * 90_000); // by it, frames come three seconds late
        Assert.Null(camera.At(camera.Picture()));
        camera.Report(ahead: -90_000); // a second before
        Assert.Null(camera.At(camera.Picture()));
        camera.Report();
        Assert.NotNull(camera.At(camera.Picture()));
    }

    [Fact]
    public void At_AnotherSource_BeginsAnew()
    {
        var camera = new Camera(this);
        camera.Report();
        Assert.NotNull(camera.At(camera.Picture()));
        Assert.Null(camera.At(camera.Picture(source: 7)));
    }

    [Fact]
    public void At_OldPictures_AreForgotten_AndReportsToo()
    {
        var camera = new Camera(this);
        camera.Report();
        var first = camera.Picture();
        for (var i = 0; i < 5000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            camera.Picture();
        }

        Assert.Null(camera.At(first));
    }

    [Fact]
    public void TimestampOf_DecoderSubtractsTheOrigin_IsTheOneThatCame()
    {
        var camera = new Camera(this);
        var (sut, first) = (camera.Reports, camera.Picture().Pts);

        Assert.Equal(first, sut.TimestampOf(first - SenderReports.Origin, isFirst: true));
        Assert.Equal(first, sut.TimestampOf(0, isFirst: true)); // the parser lost it
        Assert.Equal(SenderReports.Origin, sut.TimestampOf(0, isFirst: false));
    }

    /// <summary>
    /// A decoder that counts from its own origin has small numbers, which another frame may have had.
    /// </summary>
    [Fact]
    public void TimestampOf_DecoderHasItsOwnOrigin_StaysAndHasNoCaptureTime()
    {
        var camera = new Camera(this);
        camera.Report();
        var frame = camera.Picture();
        Assert.NotNull(camera.At(frame));
        camera.Reports.AreTraced = false;

        Assert.Equal(3600, camera.Reports.TimestampOf(3600, isFirst: true));
        Assert.Null(camera.At(frame));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public void Received_Anything_DoesNotThrow(int seed)
    {
        var random = new Random(seed);
        var camera = new Camera(this);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = new byte[random.Next(40)];
            for (var at = 0; at < bytes.Length; at++)
                bytes[at] = at == 0 ? (byte)0x80 : at == 1 ? (byte)200 : (byte)random.Next(256);
            if (bytes.Length > 3) (bytes[2], bytes[3]) = (0, (byte)random.Next(8));
            camera.Send((byte)random.Next(2), bytes);
            camera.At(camera.Picture());
        }
    }

    private sealed class Camera
    {
        private readonly ManualTime _time;
        private readonly byte _channel;

        public Camera(SenderReportsTests test, double off = 0, double roundTrip = 0.008, byte channel = 0,
            byte? followed = null, bool answered = true)
        {
            (_time, Off, _channel) = (test._time, off, channel);
            Reports = new SenderReports(TimeSpan.FromSeconds(2), _time) { AreTraced = true };
            Reports.Follow(followed ?? channel);
            if (!answered) return;
            Reports.Answered(TimeSpan.FromSeconds(roundTrip));
            Reports.Answered(TimeSpan.FromSeconds(roundTrip * 3));
        }

        public SenderReports Reports { get; }

        /// <summary>Its clock less ours, seconds.</summary>
        public double Off { get; set; }

        /// <summary>Of its clock, seconds a second.</summary>
        public double Drift { get; init; }

        /// <summary>Of its timestamps against its clock, likewise.</summary>
        public double Rate { get; init; }

        /// <summary>RTP timestamp at the start.</summary>
        public uint Begin { get; init; } = 3_000_000_000;

        private double Elapsed => (_time.GetUtcNow() - Some.Now).TotalSeconds * (1 + Drift);

        private uint Timestamp => unchecked(Begin + (uint)(long)(Elapsed * (1 + Rate) * 90_000));

        public byte[] ReportNow(uint source = Source, int ahead = 0)
            => RtcpPacket.SenderReport(source, RtcpPacket.SecondsOf(Some.Now) + Off + Elapsed,
                unchecked(Timestamp + (uint)ahead));

        public void Report(double delay = 0.003, uint source = Source, int ahead = 0)
        {
            var report = ReportNow(source, ahead);
            _time.Advance(TimeSpan.FromSeconds(delay));
            Send((byte)(_channel + 1), report);
        }

        /// <summary>Taken now, here after the delay.</summary>
        public Frame Picture(double delay = 0.1, uint source = Source)
        {
            var packet = new byte[40];
            (packet[0], packet[1]) = (0x80, 96);
            var timestamp = Timestamp;
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(4), timestamp);
            BinaryPrimitives.WriteUInt32BigEndian(packet.AsSpan(8), source);
            _time.Advance(TimeSpan.FromSeconds(delay));
            Send(_channel, packet);
            return new Frame(timestamp, _time.GetTimestamp(), _time.GetUtcNow());
        }

        public CaptureTime? At(Frame frame) => Reports.At(frame.Pts, frame.ReceivedTicks, frame.Received);

        public void Send(byte channel, byte[] packet) => Reports.Received(RtcpPacket.Interleaved(channel, packet));
    }

    private readonly record struct Frame(long Pts, long ReceivedTicks, DateTimeOffset Received);
}
