using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Commands;

/// <summary>Port of those who run the cameras: what MQTT clients may ask of them.</summary>
public interface ICameraCommands
{
    /// <param name="verb">One of <see cref="MqttCommandOptions.Verbs"/>.</param>
    /// <param name="camera">As the client wrote it; there may be none of this name.</param>
    Task<CommandAnswer> ExecuteAsync(string camera, string verb);
}

/// <param name="Done">What was asked for is so now.</param>
/// <param name="Detail">One sentence.</param>
public sealed record CommandAnswer(bool Done, string Detail);
