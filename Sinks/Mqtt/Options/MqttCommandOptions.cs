namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>What MQTT clients may ask for (section <c>mqtt.commands</c>).
/// Who may write to the topics is the broker's to say.</summary>
public sealed class MqttCommandOptions
{
    /// <summary>Every verb there is: none restarts the program or changes its configuration.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["enable", "disable", "reset_tracker"];

    /// <summary>Listens to <c>{root}/{node}/camera/{camera}/cmd/{verb}</c>.</summary>
    public bool Enabled { get; set; }

    /// <summary>Verbs that are obeyed.</summary>
    public string[] Allow { get; set; } = [.. Verbs];
}
