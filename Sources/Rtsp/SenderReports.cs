using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// Capture times from a camera's sender reports (RFC 3550, section 6.4.1), which map RTP timestamps to the camera's
/// clock. The offset of that clock from ours is at most the delay of the fastest of the last reports, and at least that
/// less the shortest round trip of a request: the middle is the estimate and half the round trip its error (Cristian,
/// 1989). To this comes the time between the moment that a report names and its sending: ten milliseconds for one
/// report, one for the fastest of ten. Neither clock needs to be right. Thread-safe.
/// </summary>
/// <param name="maxSkew">Greatest age of a frame at arrival; a report by which it would be older is not used.</param>
internal sealed class SenderReports(TimeSpan maxSkew, TimeProvider time)
{
    /// <summary>Number that the decoder subtracts from RTP timestamps; instead of 0 it would choose its own.</summary>
    public const uint Origin = 1;

    private const int Kept = 64;            // reports: some minutes, as long as a network may be congested
    private const int Remembered = 1024;    // timestamps: more frames than are ever in the decoder
    private const double LargestStep = 0.25; // seconds between two reports' clocks; beyond, the camera's clock was set
    private const double Sending = 0.01;    // seconds from the moment that a single report names to its sending
    private const double Drift = 1e-4;      // largest, of two clocks, in seconds per second
    private const double SecondsOfEra = 1L << 32;
    private const byte SenderReport = 200;

    // NTP counts from 1900.
    private static readonly DateTimeOffset s_origin = new(1900, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _gate = new();
    private readonly List<Report> _reports = [];
    private readonly uint[] _timestamps = new uint[Remembered]; // of the last frames, a ring
    private long _frames, _packets;
    private uint _first; // timestamp of the first frame
    private bool _areTraced;
    private int? _channel;
    private uint? _source;
    private double _roundTrip = double.PositiveInfinity;

    /// <summary>True: the decoder subtracts <see cref="Origin"/>.</summary>
    public bool AreTraced { set { lock (_gate) _areTraced = value; } }

    /// <summary>RTP packets so far.</summary>
    public long Packets { get { lock (_gate) return _packets; } }

    /// <summary>Sets the channel of the connection for RTP, once; RTCP has the next one.</summary>
    public void Follow(int channel)
    {
        lock (_gate) _channel ??= channel;
    }

    /// <summary>Adds the round trip of a request.</summary>
    public void Answered(TimeSpan roundTrip)
    {
        lock (_gate) _roundTrip = Math.Min(_roundTrip, roundTrip.TotalSeconds);
    }

    /// <param name="packets">Complete packets from the camera, as <see cref="RtspReader"/> cuts them.</param>
    public void Received(ReadOnlySpan<byte> packets)
    {
        lock (_gate)
        {
            for (int length; !packets.IsEmpty; packets = packets[length..])
            {
                length = RtspMessage.Next(packets).Length;
                if (packets[0] != '$') continue;
                if (packets[1] == _channel) TakeFrame(packets[4..length]);
                else if (packets[1] == _channel + 1) TakeReports(packets[4..length]);
            }
        }
    }

    /// <summary>
    /// RTP timestamp of a frame, without wraps; the decoder's own number where it does not subtract
    /// <see cref="Origin"/>.
    /// </summary>
    /// <param name="pts">As the decoder has it.</param>
    /// <param name="isFirst">True for the first frame of the session.</param>
    public long TimestampOf(long pts, bool isFirst)
    {
        lock (_gate)
        {
            if (!_areTraced) return pts;
            // ffmpeg's parser loses the timestamp of a first frame in several packets, and 0 stands for it.
            return isFirst && pts == 0 && _packets > 0 ? _first : pts + Origin;
        }
    }

    /// <summary>Capture time of a frame; null while it is not known.</summary>
    /// <param name="pts">RTP timestamp, of <see cref="TimestampOf"/>.</param>
    /// <param name="receivedTicks">Monotonic arrival.</param>
    /// <param name="receivedUtc">Wall clock at the same moment.</param>
    public CaptureTime? At(long pts, long receivedTicks, DateTimeOffset receivedUtc)
    {
        lock (_gate)
        {
            var timestamp = unchecked((uint)pts);
            var known = _timestamps.AsSpan(0, (int)Math.Min(_frames, Remembered));
            if (!_areTraced || _reports.Count == 0 || double.IsInfinity(_roundTrip) || !known.Contains(timestamp))
                return null;


            var (last, fastest) = (_reports[^1], _reports[^1]);
            var (received, step) = (Monotonic(receivedTicks), 0.0);
            foreach (var report in _reports)
            {
                if (report.DelayAt(received) < fastest.DelayAt(received)) fastest = report;
                step = Math.Max(step, report.Step);
            }

            var camera = last.MomentOf(timestamp);
            var offset = fastest.Delay - (_roundTrip / 2); // our monotonic clock less the camera's
            var error =
                (Sending / _reports.Count) + (_roundTrip / 2) + fastest.DelayAt(received) - fastest.Delay + step;
            var age = received - camera - offset;
            if (age < -error || age > maxSkew.TotalSeconds) return null;
            var stamp = receivedUtc - TimeSpan.FromSeconds(Math.Max(age, 0));
            var ours = (receivedUtc - s_origin).TotalSeconds - received + offset; // our wall clock less the camera's
            return new CaptureTime(stamp, ClockSource.RtcpSr, OffsetMs: ours * 1000, ErrorMs: error * 1000,
                Synced: true);
        }
    }

    private void TakeFrame(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 12 || packet[0] >> 6 != 2) return;
        var source = BinaryPrimitives.ReadUInt32BigEndian(packet[8..]);
        if (source != _source) Begin(source);
        var timestamp = BinaryPrimitives.ReadUInt32BigEndian(packet[4..]);
        if (_packets++ == 0) _first = timestamp;
        if (_frames == 0 || _timestamps[(_frames - 1) % Remembered] != timestamp)
            _timestamps[_frames++ % Remembered] = timestamp;
    }

    private void TakeReports(ReadOnlySpan<byte> packets)
    {
        while (packets.Length >= 8 && packets[0] >> 6 == 2)
        {
            var length = 4 * (1 + BinaryPrimitives.ReadUInt16BigEndian(packets[2..]));
            if (length > packets.Length) return;
            if (packets[1] == SenderReport && length >= 28) TakeReport(packets);
            packets = packets[length..];
        }
    }

    private void TakeReport(ReadOnlySpan<byte> packet)
    {
        var source = BinaryPrimitives.ReadUInt32BigEndian(packet[4..]);
        if (_frames == 0 && source != _source) Begin(source);
        var moment = BinaryPrimitives.ReadUInt64BigEndian(packet[8..]);
        if (source != _source || moment == 0) return; // of another source, or of a camera without a clock

        // The first bit is set until 2036; then the count begins at 0 again.
        var camera = (moment / SecondsOfEra) + (moment >> 63 == 0 ? SecondsOfEra : 0);
        var timestamp = BinaryPrimitives.ReadUInt32BigEndian(packet[16..]);
        var step = _reports.Count == 0 ? 0 : Math.Abs(_reports[^1].MomentOf(timestamp) - camera);
        if (step > LargestStep)
        {
            _reports.Clear();
            step = 0;
        }

        if (_reports.Count == Kept) _reports.RemoveAt(0);
        _reports.Add(new(timestamp, camera, Monotonic(time.GetTimestamp()), step));
    }

    private void Begin(uint source)
    {
        (_source, _frames) = (source, 0);
        _reports.Clear();
    }

    private double Monotonic(long ticks) => (double)ticks / time.TimestampFrequency;

    /// <param name="Timestamp">RTP timestamp.</param>
    /// <param name="Camera">The same moment by the camera's clock: seconds since 1900, to half a microsecond.</param>
    /// <param name="Arrived">By our monotonic clock, seconds.</param>
    /// <param name="Step">Seconds of difference from the report before.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Report(uint Timestamp, double Camera, double Arrived, double Step)
    {
        private const double TicksPerSecond = 90_000;

        /// <summary>Our monotonic clock less the camera's, plus the time of the report on its way.</summary>
        public double Delay => Arrived - Camera;

        /// <summary>The delay with the largest drift since the report.</summary>
        public double DelayAt(double now) => Delay + (Drift * (now - Arrived));

        /// <summary>The camera's time of an RTP timestamp within some hours of the report.</summary>
        public double MomentOf(uint timestamp) => Camera + (unchecked((int)(timestamp - Timestamp)) / TicksPerSecond);
    }
}
