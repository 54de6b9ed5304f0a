namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>Kinds of messages in metrics; segments count as tracks, maps as masks.</summary>
internal static class Kinds
{
    public const string State = "state", Tracks = "tracks", Final = "final", Masks = "masks", Event = "event",
        Command = "command";
}
