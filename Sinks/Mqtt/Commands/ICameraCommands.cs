using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Commands;

/// <summary>Port of the cameras' runner for commands of MQTT clients.</summary>
public interface ICameraCommands
{
    /// <param name="camera">Name from the topic; no such camera may exist.</param>
    /// <param name="verb">One of <see cref="MqttCommandOptions.Verbs"/>.</param>
    Task<CommandAnswer> ExecuteAsync(string camera, string verb);
}

/// <param name="Done">True when the command was executed.</param>
/// <param name="Detail">One sentence.</param>
public sealed record CommandAnswer(bool Done, string Detail);
