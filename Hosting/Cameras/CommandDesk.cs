using Dvis.Streaming.Sinks.Mqtt.Commands;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Passes commands from the sinks, which are there first, to the cameras, once they run.</summary>
internal sealed class CommandDesk : ICameraCommands
{
    private volatile ICameraCommands? _cameras;

    public void Open(ICameraCommands cameras) => _cameras = cameras;

    public Task<CommandAnswer> ExecuteAsync(string camera, string verb)
        => _cameras?.ExecuteAsync(camera, verb) ?? Task.FromResult(new CommandAnswer(false, "The cameras have not started yet."));
}
