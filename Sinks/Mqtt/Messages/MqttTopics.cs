using System.Collections.Frozen;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>The topics of this node.</summary>
internal sealed class NodeTopics(string root, string node)
{
    public string Prefix { get; } = $"{root}/{node}";

    public MqttTopic Availability { get; } = MqttTopic.OfState($"{root}/{node}/availability");

    public MqttTopic Status { get; } = MqttTopic.OfState($"{root}/{node}/status", MqttTopic.Json);

    public MqttTopic Labels { get; } = MqttTopic.OfState($"{root}/{node}/labels", MqttTopic.Json);
}

/// <summary>The topics of one camera.</summary>
internal sealed record CameraTopics
{
    private const string MaskType = "application/vnd.dvis.mask+protobuf;v=1",
        MapType = "application/vnd.dvis.map+protobuf;v=1";
    private const uint Telemetry = 2, Hour = 3600, Day = 86400;

    private readonly string _prefix;

    public CameraTopics(NodeTopics node, SinkCamera camera, SinkModel model, bool binaryEvents)
    {
        var prefix = _prefix = $"{node.Prefix}/camera/{camera.Name}";
        Availability = MqttTopic.OfState($"{prefix}/availability");
        State = MqttTopic.OfState($"{prefix}/state", MqttTopic.Json);
        var results = $"{prefix}/{(model.Task == ModelTask.Vis ? "tracks" : "segments")}";
        Results = new(results, Kinds.Tracks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MqttTopic.Json);
        Final = new($"{results}/final", Kinds.Final, Qos: 1, ExpirySeconds: Hour, ContentType: MqttTopic.Json);
        Masks = new($"{prefix}/masks", Kinds.Masks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MaskType);
        MasksFinal = new($"{prefix}/masks/final", Kinds.Masks, Qos: 1, ExpirySeconds: Hour, ContentType: MaskType);
        Map = new($"{prefix}/map", Kinds.Masks, Qos: 0, ExpirySeconds: Telemetry, ContentType: MapType);
        MapFinal = new($"{prefix}/map/final", Kinds.Masks, Qos: 1, ExpirySeconds: Hour, ContentType: MapType);
        Events = new($"{prefix}/events", Kinds.Event, Qos: 1, ExpirySeconds: Day, ContentType: binaryEvents
            ? MqttTopic.Json
            : MqttTopic.CloudEventsJson);
        Counts = Count(camera, model, new Dictionary<string, MqttTopic>());
    }

    public MqttTopic Availability { get; }

    public MqttTopic State { get; }

    /// <summary>Provisional results: tracks, or with task <c>vps</c> and <c>vss</c> segments.</summary>
    public MqttTopic Results { get; }

    public MqttTopic Final { get; }

    public MqttTopic Masks { get; }

    public MqttTopic MasksFinal { get; }

    public MqttTopic Map { get; }

    public MqttTopic MapFinal { get; }

    public MqttTopic Events { get; }

    /// <summary>Topics of the classes that are counted, by class id.</summary>
    public FrozenDictionary<int, MqttTopic> Counts { get; private init; }

    /// <summary>The same topics with the counts of a changed camera; a topic that remains is the same object.</summary>
    public CameraTopics For(SinkCamera camera, SinkModel model) =>
        this with { Counts = Count(camera, model, Counts.Values.ToDictionary(t => t.Name)) };

    private FrozenDictionary<int, MqttTopic> Count(SinkCamera camera, SinkModel model,
        Dictionary<string, MqttTopic> before)
    {
        var counted = model.Classes.Where(c => IsTracked(c, model.Task))
            .Where(c => camera.Publish.Labels.Length == 0 || camera.Publish.Labels.Contains(c.Name)).ToArray();
        var levels = counted.Select(c => Level(c.Name)).ToArray();
        return counted.Index().ToFrozenDictionary(c => c.Item.Id, c =>
        {
            var name = $"{_prefix}/count/{Unique(levels, c.Index, c.Item)}";
            return before.GetValueOrDefault(name) ?? MqttTopic.OfState(name);
        });
    }

    private static bool IsTracked(ClassLabel label, ModelTask task) => task switch
    {
        ModelTask.Vis => true,
        ModelTask.Vps => label.IsThing,
        _ => false,
    };

    // "traffic light" becomes traffic_light: no level may hold / + # or a space.
    private static string Level(string label)
        => string.Create(label.Length, label, static (level, name) =>
        {
            for (var i = 0; i < name.Length; i++)
            {
                var c = char.ToLowerInvariant(name[i]);
                level[i] = char.IsAsciiLetterOrDigit(c) || c == '-' ? c : '_';
            }
        });

    private static string Unique(string[] levels, int index, ClassLabel label)
        => levels.Count(l => l == levels[index]) == 1 ? levels[index] : $"{levels[index]}_{label.Id}";
}
