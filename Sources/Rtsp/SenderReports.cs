using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>
/// When a camera took its pictures, learned from what passes on its connection. Its sender reports (RFC 3550, section
/// 6.4.1) say which moment of the camera's clock an RTP timestamp is. How far that clock is from ours is at most what
/// the fastest of the last reports took, and at least that less the shortest round trip of a request: the middle is the
/// estimate and half the round trip its error (Cristian, 1989), as far as the camera sends its reports when they say:
/// one within ten milliseconds, the fastest of ten within one. Neither clock needs to be right. Thread-safe.
/// </summary>
/// <param name="maxSkew">A picture that would be older than this when it arrives is not believed.</param>
internal sealed class SenderReports(TimeSpan maxSkew, TimeProvider time)
{
    /// <summary>What the decoder is told to subtract from RTP timestamps: with 0 it would choose for itself.</summary>
    public const uint Origin = 1;

    private const int Kept = 64;          // reports, some minutes: for so long the way may be slower than it was
    private const int Remembered = 1024;  // timestamps: more pictures than are ever on their way through the decoder
    // seconds by which a report may contradict the last one; beyond, the camera's clock was set
    private const double LargestStep = 0.25;
    // seconds between the moment that a single report names and its sending;
    // the fastest of several takes that much less
    private const double Sending = 0.01;
    private const double Drift = 1e-4;    // of two clocks, seconds a second at most
    private const double SecondsOfEra = 1L << 32;
    private const byte SenderReport = 200;

    // NTP counts from 1900.
    private static readonly DateTimeOffset s_origin = new(1900, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _gate = new();
    private readonly List<Report> _reports = [];
    private readonly uint[] _timestamps = new uint[Remembered]; // of the last pictures, a ring
    private long _pictures;
    private int? _channel;
    private uint? _source;
    private double _roundTrip = double.PositiveInfinity;

    /// <summary>The pictures will come on this channel of the connection, the reports on the next.</summary>
    public void Follow(int channel)
    {
        lock (_gate) _channel = channel;
    }

    /// <summary>The camera answered a request after this long.</summary>
    public void Answered(TimeSpan roundTrip)
    {
        lock (_gate) _roundTrip = Math.Min(_roundTrip, roundTrip.TotalSeconds);
    }

    /// <summary>Looks at what came from the camera.</summary>
    /// <param name="packets">Whole ones, as <see cref="RtspReader"/> cuts them.</param>
    public void Received(ReadOnlySpan<byte> packets)
    {
        lock (_gate)
        {
            for (int length; !packets.IsEmpty; packets = packets[length..])
            {
                length = RtspMessage.Next(packets).Length;
                if (packets[0] != '$') continue;
                if (packets[1] == _channel) TakePicture(packets[4..length]);
                else if (packets[1] == _channel + 1) TakeReports(packets[4..length]);
            }
        }
    }

    /// <summary>Capture time of a frame; null while it is not known.</summary>
    /// <param name="pts">RTP timestamp less <see cref="Origin"/>, as the decoder has it.</param>
    /// <param name="receivedTicks">Monotonic arrival.</param>
    /// <param name="receivedUtc">Wall clock at the same moment.</param>
    public CaptureTime? At(long pts, long receivedTicks, DateTimeOffset receivedUtc)
    {
        lock (_gate)
        {
            var timestamp = unchecked((uint)pts + Origin);
            var known = _timestamps.AsSpan(0, (int)Math.Min(_pictures, Remembered));
            if (_reports.Count == 0 || double.IsInfinity(_roundTrip) || !known.Contains(timestamp)) return null;

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

    private void TakePicture(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 12 || packet[0] >> 6 != 2) return;
        var source = BinaryPrimitives.ReadUInt32BigEndian(packet[8..]);
        if (source != _source) Begin(source);
        var timestamp = BinaryPrimitives.ReadUInt32BigEndian(packet[4..]);
        if (_pictures == 0 || _timestamps[(_pictures - 1) % Remembered] != timestamp)
            _timestamps[_pictures++ % Remembered] = timestamp;
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
        if (_pictures == 0 && source != _source) Begin(source);
        var moment = BinaryPrimitives.ReadUInt64BigEndian(packet[8..]);
        if (source != _source || moment == 0) return; // another's, or of a camera that has no clock

        // The first bit is set until 2036; after that the count has begun anew.
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
        (_source, _pictures) = (source, 0);
        _reports.Clear();
    }

    private double Monotonic(long ticks) => (double)ticks / time.TimestampFrequency;

    /// <param name="Timestamp">RTP timestamp.</param>
    /// <param name="Camera">The same moment by the camera's clock: seconds since 1900, to half a microsecond.</param>
    /// <param name="Arrived">By our monotonic clock, seconds.</param>
    /// <param name="Step">Seconds by which it contradicts the report before.</param>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Report(uint Timestamp, double Camera, double Arrived, double Step)
    {
        private const double Ticks = 90_000; // a second

        /// <summary>Our monotonic clock less the camera's, and what the report took on its way.</summary>
        public double Delay => Arrived - Camera;

        /// <summary>As much as that may have become meanwhile.</summary>
        public double DelayAt(double now) => Delay + (Drift * (now - Arrived));

        /// <summary>The camera's time of an RTP timestamp within some hours of the report.</summary>
        public double MomentOf(uint timestamp) => Camera + (unchecked((int)(timestamp - Timestamp)) / Ticks);
    }
}
