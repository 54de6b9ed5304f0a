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
internal sealed class CameraPublisher(
    SinkCamera camera, CameraSequences sequences, NodeTopics node, MqttOptions options, MqttDelivery delivery,
    Encoders encoders, MqttMetrics metrics, PipelineMetrics frames, TimeProvider time)
{
    private readonly Dictionary<int, int> _counted = [], _counting = [];
    private readonly Dictionary<string, int> _inside = []; // last published, by zone
    private SinkCamera _camera = camera;
    private CameraTopics _topics = new(node, camera, encoders.Envelope.Model, options.Protocol);
    private MqttTopic? _target; // of the parts that are encoded
    private bool? _online;
    private TimeSpan _handOver;

    private bool Masks => _camera.Publish.Masks == MaskOutput.On;

    // Made once: a lambda per message would be garbage per frame.
    private Action<ReadOnlyMemory<byte>> Emit => field ??= payload => HandOver(_target!, payload);

    /// <summary>Publishes the first state and every count as 0, to replace what an earlier run retained.</summary>
    public void Announce(DateTimeOffset since)
    {
        Publish(new CameraStatus(
            _camera.Name, CameraState.Starting, since, SourceFault.Ok, null, 0, null, 0, 0, null, null, null));
        foreach (var (classId, topic) in _topics.Counts) PublishCount(classId, topic, 0);
        foreach (var zone in _topics.Zones.Keys) PublishInside(new(zone, 0));
    }

    /// <returns>Number of records that are too large for any message.</returns>
    public int Publish(ProvisionalResult result)
    {
        var published = Begin();
        var lost = encoders.Provisional.Encode(
            result, sequences.Tracks, published, new(Target(_topics.Results), MaskRefs: Masks), Emit);
        if (Masks) lost += encoders.Masks.Encode(result, _camera.Publish, Target(_topics.Masks), Emit);
        lost += encoders.Maps.Encode(result, _camera.Publish, Target(_topics.Map), Emit);
        End(published);
        CountTracks(result);
        foreach (var zone in result.Zones)
            if (_inside.GetValueOrDefault(zone.Zone) != zone.Tracks) PublishInside(zone);
        return Lost(_topics.Results, lost);
    }

    /// <inheritdoc cref="Publish(ProvisionalResult)"/>
    public int Publish(FinalResult result)
    {
        var published = Begin();
        var lost = encoders.Final.Encode(result, sequences.Final, published, new(Target(_topics.Final)), Emit);
        if (Masks) lost += encoders.Masks.Encode(result, _camera.Publish, Target(_topics.MasksFinal), Emit);
        lost += encoders.Maps.Encode(result, _camera.Publish, Target(_topics.MapFinal), Emit);
        End(published);
        return Lost(_topics.Final, lost);
    }

    /// <inheritdoc cref="Publish(ProvisionalResult)"/>
    public int Publish(LifecycleEvent e)
    {
        var published = Begin();
        var structured = options.Protocol == MqttProtocol.V311;
        HandOver(_topics.Events, encoders.Events.Encode(e, sequences.Events, published, structured),
            structured ? null : encoders.Events.Attributes(e));
        End(published);
        return 0;
    }

    /// <inheritdoc cref="Publish(ProvisionalResult)"/>
    public int Publish(TrackSnapshot snapshot)
    {
        var topic = _topics.Snapshot(snapshot.Id);
        if (snapshot.Jpeg.Length > Target(topic)) return Lost(topic, 1);
        var published = Begin();
        var isV5 = options.Protocol == MqttProtocol.V5;
        HandOver(topic, snapshot.Jpeg, isV5 ? SnapshotProperties.Of(snapshot, encoders.Envelope.Model) : null);
        End(published);
        return 0;
    }

    /// <inheritdoc cref="Publish(ProvisionalResult)"/>
    public int Publish(CameraStatus status)
    {
        SetOnline(status.State is CameraState.Online or CameraState.Degraded);
        delivery.Publish(_topics.State, encoders.State.Encode(status, sequences.State, Moment.Now(time)));
        // Without frames nothing is tracked, and the last counts would stand for ever.
        if (status.State is CameraState.Offline or CameraState.Disabled) ClearCounts();
        return 0;
    }

    public void GoOffline()
    {
        SetOnline(false);
        ClearCounts();
    }

    /// <summary>Changes what is published of the camera. Sequences continue; counts of classes that are no longer
    /// published are removed from the broker.</summary>
    public void Change(SinkCamera changed)
    {
        var before = _topics;
        (_camera, _topics) = (changed, new(node, changed, encoders.Envelope.Model, options.Protocol));
        foreach (var removed in before.Counts.Values.Except(_topics.Counts.Values)) Clear(removed);
        foreach (var (zone, topic) in before.Zones)
            if (!_topics.Zones.ContainsKey(zone) && _inside.Remove(zone)) Clear(topic);
        foreach (var zone in _topics.Zones.Keys)
            if (!before.Zones.ContainsKey(zone)) PublishInside(new(zone, 0));
        foreach (var (classId, topic) in _topics.Counts)
            if (!before.Counts.Values.Contains(topic)) PublishCount(classId, topic, 0);
    }

    /// <summary>Publishes <c>offline</c> and removes what is retained of the camera from the broker.</summary>
    public void Remove()
    {
        GoOffline();
        foreach (var topic in _topics.Counts.Values) Clear(topic);
        foreach (var topic in _topics.Zones.Values) Clear(topic);
        Clear(_topics.State);
        Clear(_topics.Availability);
    }

    private void SetOnline(bool online)
    {
        if (online != _online) delivery.Publish(_topics.Availability, online ? MqttSink.Online : MqttSink.Offline);
        _online = online;
    }

    // An empty retained message deletes the one before it (MQTT 5, 3.3.1.3).
    private void Clear(MqttTopic topic) => delivery.Publish(topic, ReadOnlyMemory<byte>.Empty);

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
        foreach (var (zone, count) in _inside.ToArray())
            if (count != 0) PublishInside(new(zone, 0));
    }

    private void PublishInside(ZoneCount zone)
    {
        if (!_topics.Zones.TryGetValue(zone.Zone, out var topic)) return; // of frames before a change
        _inside[zone.Zone] = zone.Tracks;
        delivery.Publish(topic, Encoding.UTF8.GetBytes(zone.Tracks.ToString(CultureInfo.InvariantCulture)));
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
        delivery.Publish(topic, Encoding.UTF8.GetBytes(count.ToString(CultureInfo.InvariantCulture)));
    }

    /// <summary>Sets the topic of the parts that are encoded next.</summary>
    /// <returns>Largest payload in bytes.</returns>
    private int Target(MqttTopic topic)
    {
        _target = topic;
        var most = topic.IsJson ? options.MaxMessageBytes : options.MaxMaskBytes;
        // A durable message may be marked as late when it leaves, which makes it longer.
        return Math.Min(most, delivery.PayloadLimit(topic)) - (topic.Qos > 0 ? OutboxEntry.MarkLength : 0);
    }

    private void HandOver(
        MqttTopic topic, ReadOnlyMemory<byte> payload, KeyValuePair<string, string>[]? userProperties = null)
    {
        var start = time.GetTimestamp();
        delivery.Publish(topic, payload, userProperties);
        _handOver += time.GetElapsedTime(start);
    }

    private Moment Begin()
    {
        _handOver = TimeSpan.Zero;
        return Moment.Now(time);
    }

    private void End(Moment began)
    {
        frames.StageDuration("encode", (time.GetElapsedTime(began.Ticks) - _handOver).TotalSeconds);
        frames.StageDuration("publish", _handOver.TotalSeconds);
    }

    private int Lost(MqttTopic topic, int count)
    {
        if (count > 0) metrics.Message(topic.Kind, "failed", count);
        return count;
    }
}
