using System.Globalization;
using System.Text;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Client;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>Publisher of one camera's messages. One thread.</summary>
internal sealed class CameraPublisher
{
    private SinkCamera _camera;
    private CameraTopics _topics;
    private readonly MqttOptions _options;
    private readonly MqttDelivery _delivery;
    private readonly Encoders _encoders;
    private readonly MqttMetrics _metrics;
    private readonly PipelineMetrics _frames;
    private readonly TimeProvider _time;
    private readonly Sequence _tracks = new(), _final = new(), _events = new(), _state = new();
    private readonly Dictionary<int, int> _counted = [], _counting = [];
    private readonly Action<ReadOnlyMemory<byte>> _emitResults, _emitFinal, _emitMasks, _emitMasksFinal, _emitMap,
        _emitMapFinal;
    private bool? _online;
    private TimeSpan _handOver;

    public CameraPublisher(
        SinkCamera camera, CameraTopics topics, MqttOptions options, MqttDelivery delivery, Encoders encoders,
        MqttMetrics metrics, PipelineMetrics frames, TimeProvider time)
    {
        (_camera, _topics, _options, _delivery, _encoders) = (camera, topics, options, delivery, encoders);
        (_metrics, _frames, _time) = (metrics, frames, time);
        // Made once: a lambda per message would be garbage per frame.
        _emitResults = payload => HandOver(_topics.Results, payload);
        _emitFinal = payload => HandOver(_topics.Final, payload);
        _emitMasks = payload => HandOver(_topics.Masks, payload);
        _emitMasksFinal = payload => HandOver(_topics.MasksFinal, payload);
        _emitMap = payload => HandOver(_topics.Map, payload);
        _emitMapFinal = payload => HandOver(_topics.MapFinal, payload);
    }

    private bool Masks => _camera.Publish.Masks == MaskOutput.On;

    /// <summary>Publishes the first state and every count as 0, to replace what an earlier run retained.</summary>
    public void Announce(DateTimeOffset since)
    {
        Publish(new CameraStatus(
            _camera.Name, CameraState.Starting, since, SourceFault.Ok, null, 0, null, 0, 0, null, null, null));
        foreach (var (classId, topic) in _topics.Counts) PublishCount(classId, topic, 0);
    }

    /// <returns>Number of records that are too large for any message.</returns>
    public int Publish(ProvisionalResult result)
    {
        var published = Begin();
        var lost = _encoders.Provisional.Encode(
            result, _tracks, published, new(JsonBudget(_topics.Results), MaskRefs: Masks), _emitResults);
        if (Masks) lost += _encoders.Masks.Encode(result, _camera.Publish, MaskBudget(_topics.Masks), _emitMasks);
        lost += _encoders.Maps.Encode(result, _camera.Publish, MaskBudget(_topics.Map), _emitMap);
        End(published);
        CountTracks(result);
        Latency(result.Frame, "provisional", published);
        return Lost(_topics.Results, lost);
    }

    /// <inheritdoc cref="Publish(ProvisionalResult)"/>
    public int Publish(FinalResult result)
    {
        var published = Begin();
        var lost = _encoders.Final.Encode(result, _final, published, new(JsonBudget(_topics.Final)), _emitFinal);
        if (Masks)
            lost += _encoders.Masks.Encode(result, _camera.Publish, MaskBudget(_topics.MasksFinal), _emitMasksFinal);
        lost += _encoders.Maps.Encode(result, _camera.Publish, MaskBudget(_topics.MapFinal), _emitMapFinal);
        End(published);
        foreach (var frame in result.Frames) Latency(frame, "final", published);
        return Lost(_topics.Final, lost);
    }

    public void Publish(LifecycleEvent e)
    {
        var published = Begin();
        var structured = _options.Protocol == MqttProtocol.V311;
        HandOver(_topics.Events, _encoders.Events.Encode(e, _events, published, structured),
            structured ? null : _encoders.Events.Attributes(e));
        End(published);
    }

    public void Publish(CameraStatus status)
    {
        SetOnline(status.State is CameraState.Online or CameraState.Degraded);
        _delivery.Publish(_topics.State, _encoders.State.Encode(status, _state, Moment.Now(_time)));
        // Without frames nothing is tracked, and the last counts would stand for ever.
        if (status.State is CameraState.Offline or CameraState.Disabled) ClearCounts();
    }

    public void GoOffline()
    {
        SetOnline(false);
        ClearCounts();
    }

    /// <summary>Changes what is published of the camera. Sequences continue; counts of classes that are no longer
    /// published are removed from the broker.</summary>
    public void Change(SinkCamera camera)
    {
        var before = _topics;
        (_camera, _topics) = (camera, before.For(camera, _encoders.Envelope.Model));
        foreach (var removed in before.Counts.Values.Except(_topics.Counts.Values)) Clear(removed);
        foreach (var (classId, topic) in _topics.Counts)
            if (!before.Counts.Values.Contains(topic)) PublishCount(classId, topic, 0);
    }

    /// <summary>Publishes <c>offline</c> and removes what is retained of the camera from the broker.</summary>
    public void Remove()
    {
        GoOffline();
        foreach (var topic in _topics.Counts.Values) Clear(topic);
        Clear(_topics.State);
        Clear(_topics.Availability);
    }

    private void SetOnline(bool online)
    {
        if (online != _online) _delivery.Publish(_topics.Availability, online ? MqttSink.Online : MqttSink.Offline);
        _online = online;
    }

    // An empty retained message deletes the one before it (MQTT 5, 3.3.1.3).
    private void Clear(MqttTopic topic) => _delivery.Publish(topic, ReadOnlyMemory<byte>.Empty);

    private void CountTracks(ProvisionalResult result)
    {
        _counting.Clear();
        foreach (var track in result.Tracks)
            if (track.State == TrackState.Active)
                _counting[track.ClassId] = _counting.GetValueOrDefault(track.ClassId) + 1;
        PublishChangedCounts();
    }

    private void ClearCounts()
    {
        _counting.Clear();
        PublishChangedCounts();
    }

    private void PublishChangedCounts()
    {
        foreach (var (classId, topic) in _topics.Counts)
        {
            var count = _counting.GetValueOrDefault(classId);
            if (_counted.GetValueOrDefault(classId) != count) PublishCount(classId, topic, count);
        }
    }

    private void PublishCount(int classId, MqttTopic topic, int count)
    {
        _counted[classId] = count;
        _delivery.Publish(topic, Encoding.UTF8.GetBytes(count.ToString(CultureInfo.InvariantCulture)));
    }

    private int JsonBudget(MqttTopic topic) => Budget(topic, _options.MaxMessageBytes);

    private int MaskBudget(MqttTopic topic) => Budget(topic, _options.MaxMaskBytes);

    // A durable message may be marked as late when it leaves, which makes it longer.
    private int Budget(MqttTopic topic, int most)
        => Math.Min(most, _delivery.PayloadLimit(topic)) - (topic.Qos > 0 ? OutboxEntry.MarkLength : 0);

    private void HandOver(
        MqttTopic topic, ReadOnlyMemory<byte> payload, KeyValuePair<string, string>[]? userProperties = null)
    {
        var start = _time.GetTimestamp();
        _delivery.Publish(topic, payload, userProperties);
        _handOver += _time.GetElapsedTime(start);
    }

    private Moment Begin()
    {
        _handOver = TimeSpan.Zero;
        return Moment.Now(_time);
    }

    private void End(Moment began)
    {
        _frames.StageDuration("encode", (_time.GetElapsedTime(began.Ticks) - _handOver).TotalSeconds);
        _frames.StageDuration("publish", _handOver.TotalSeconds);
    }

    private void Latency(FrameInfo frame, string stage, Moment published)
    {
        // Null once the camera is removed: late messages must not bring its series back.
        if (_frames.Find(_camera.Name) is not { } camera) return;
        camera.FrameLatency(stage, _encoders.Envelope.Total(frame, published).TotalSeconds);
        if (stage == "provisional" && _encoders.Envelope.CaptureToPublish(frame, published) is { } since)
            camera.CaptureLatency(since.TotalSeconds);
    }

    private int Lost(MqttTopic topic, int count)
    {
        if (count > 0) _metrics.Message(topic.Kind, "failed", count);
        return count;
    }
}
