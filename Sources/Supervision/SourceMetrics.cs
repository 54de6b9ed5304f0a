using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>
/// Metrics of one camera's source; they end with the camera. All instruments are pushed to: a camera that is replaced
/// makes them again, and gets those that its meter has. Thread-safe.
/// </summary>
internal sealed class SourceMetrics
{
    private readonly CameraMetrics _all;
    private readonly KeyValuePair<string, object?> _camera;
    private readonly Counter<long> _frames, _bytes, _reconnects, _decodeErrors;
    private readonly Gauge<long> _clockKnown, _abandoned;
    private readonly Gauge<double> _lastFrame, _clockOffset;

    public SourceMetrics(CameraMetrics camera)
    {
        (_all, _camera) = (camera, new("camera", camera.Camera));
        var m = camera.Meter;
        _frames = m.CreateCounter<long>("dvis.source.frames", "{frame}", "Frames decoded.");
        _bytes = m.CreateCounter<long>("dvis.source.received", "By", "Decoded bytes read from the source.");
        _reconnects = m.CreateCounter<long>(
            "dvis.source.reconnects", "{attempt}",
            "Source sessions started again, by the reason the previous one ended.");
        _decodeErrors = m.CreateCounter<long>("dvis.source.decode_errors", "{error}", "Errors the decoder reported.");
        _lastFrame = m.CreateGauge<double>("dvis.source.last_frame.timestamp", "s", "UTC of the last decoded frame.");
        _clockOffset = m.CreateGauge<double>(
            "dvis.source.clock.offset", "s", "Our clock less the camera's, when last known.");
        _clockKnown = m.CreateGauge<long>(
            "dvis.source.clock.synchronized", null,
            "1 while the capture times of the camera are known with a bound of the error.");
        _abandoned = m.CreateGauge<long>(
            "dvis.source.abandoned_threads", "{thread}",
            "Threads left behind in a read of OpenCV that has not returned.");
        // Counters begin at 0, so that a rate over them has a beginning.
        _frames.Add(0, _camera);
        _bytes.Add(0, _camera);
        _decodeErrors.Add(0, _camera);
        Clock(null);
    }

    public string Camera => _all.Camera;

    public void Received(Frame frame)
    {
        _frames.Add(1, _camera);
        _bytes.Add(frame.Pixels.Length, _camera);
        _lastFrame.Record(frame.Info.Received.ToUnixTimeMilliseconds() / 1000.0, _camera);
        Clock(frame.Info.Capture is { Synced: true, OffsetMs: var offset } ? offset / 1000 : null);
        _all.Tally.Received();
    }

    public void Dropped(string reason) => _all.FrameDropped("source", reason);

    /// <param name="offset">Our clock less the camera's in seconds; null while it is not known.</param>
    public void Clock(double? offset)
    {
        _clockKnown.Record(offset is null ? 0 : 1, _camera);
        if (offset is { } seconds) _clockOffset.Record(seconds, _camera);
    }

    /// <summary>A session was started again; <paramref name="reason"/> is the fault that ended the last one.</summary>
    public void Reconnected(string reason) =>
        _reconnects.Add(1, _camera, new KeyValuePair<string, object?>("reason", reason));

    /// <param name="threads">Threads left behind in reads of this camera that have not returned.</param>
    public void Abandoned(long threads) => _abandoned.Record(threads, _camera);

    public void DecodeErrors(long count) => _decodeErrors.Add(count, _camera);
}
