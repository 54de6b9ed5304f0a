using System.Collections.Frozen;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>The topics of this node.</summary>
internal sealed class NodeTopics(string root, string node)
{
    public string Prefix { get; } = $"{root}/{node}";

    public MqttTopic Availability { get; } = MqttTopic.OfState($"{root}/{node}/availability", null, Kinds.Node);

    public MqttTopic Status { get; } = MqttTopic.OfState($"{root}/{node}/status", MqttTopic.Json, Kinds.Node);

    public MqttTopic Labels { get; } = MqttTopic.OfState($"{root}/{node}/labels", MqttTopic.Json, Kinds.Node);
}

/// <summary>The topics of one camera.</summary>
internal sealed class CameraTopics
{
    private const string MaskType = "application/vnd.dvis.mask+protobuf;v=1",
        MapType = "application/vnd.dvis.map+protobuf;v=1";
    private const uint Telemetry = 2, Hour = 3600, Day = 86400;
    private readonly string _snapshots;

    public CameraTopics(NodeTopics node, SinkCamera camera, SinkModel model, MqttProtocol protocol)
    {
        var prefix = $"{node.Prefix}/camera/{camera.Name}";
        Availability = MqttTopic.OfState($"{prefix}/availability");
        State = MqttTopic.OfState($"{prefix}/state", MqttTopic.Json);
        var results = $"{prefix}/{(model.Task == ModelTask.Vis ? "tracks" : "segments")}";
        Results = new(results, Kinds.Tracks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MqttTopic.Json);
        Final = new($"{results}/final", Kinds.Final, Qos: 1, ExpirySeconds: Hour, ContentType: MqttTopic.Json);
        Masks = new($"{prefix}/masks", Kinds.Masks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MaskType);
        MasksFinal = new($"{prefix}/masks/final", Kinds.Masks, Qos: 1, ExpirySeconds: Hour, ContentType: MaskType);
        Map = new($"{prefix}/map", Kinds.Masks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MapType);
        MapFinal = new($"{prefix}/map/final", Kinds.Masks, Qos: 1, ExpirySeconds: Hour, ContentType: MapType);
        var eventType = protocol == MqttProtocol.V5 ? MqttTopic.Json : MqttTopic.CloudEventsJson;
        Events = new($"{prefix}/events", Kinds.Event, Qos: 1, ExpirySeconds: Day, ContentType: eventType);
        Zones = camera.Zones.ToFrozenDictionary(z => z, z => MqttTopic.OfState($"{prefix}/zone/{z}/count"));
        _snapshots = $"{prefix}/snapshot";
        var counted = model.Classes
            .Where(c => model.Task == ModelTask.Vis || (model.Task == ModelTask.Vps && c.IsThing))
            .Where(c => camera.Publish.Labels.Length == 0 || camera.Publish.Labels.Contains(c.Name))
            .ToLookup(c => Level(c.Name));
        Counts = counted.SelectMany(level => level).ToFrozenDictionary(c => c.Id, c =>
        {
            var level = Level(c.Name);
            return MqttTopic.OfState($"{prefix}/count/{(counted[level].Count() == 1 ? level : $"{level}_{c.Id}")}");
        });
    }

    public MqttTopic Availability { get; }
    public MqttTopic State { get; }

    /// <summary>Counts of tracks inside, by zone.</summary>
    public FrozenDictionary<string, MqttTopic> Zones { get; }

    /// <summary>Provisional results: tracks, or with task <c>vps</c> and <c>vss</c> segments.</summary>
    public MqttTopic Results { get; }
    public MqttTopic Final { get; }
    public MqttTopic Masks { get; }
    public MqttTopic MasksFinal { get; }
    public MqttTopic Map { get; }
    public MqttTopic MapFinal { get; }
    public MqttTopic Events { get; }

    /// <param name="track">Id of the track.</param>
    public MqttTopic Snapshot(string track) =>
        new($"{_snapshots}/{track}", Kinds.Snapshot, Qos: 0, ExpirySeconds: Hour, ContentType: MqttTopic.Jpeg);

    /// <summary>Topics of the classes that are counted, by class id.</summary>
    public FrozenDictionary<int, MqttTopic> Counts { get; }

    // "traffic light" becomes traffic_light: a level must not contain / + # or a space.
    private static string Level(string label) => string.Concat(label.Select(c =>
        char.IsAsciiLetterOrDigit(c) || c == '-' ? char.ToLowerInvariant(c) : '_'));
}
