namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Schemas of the payloads: the major number is that of the topics, the minor grows with new fields.</summary>
public static class Schemas
{
    public const string Tracks = "dvis.tracks/1.0", Final = "dvis.final/1.0", Event = "dvis.event/1.1",
        State = "dvis.state/1.2", Segments = "dvis.segments/1.0", SegmentsFinal = "dvis.segments_final/1.0",
        Status = "dvis.status/1.1", Labels = "dvis.labels/1.0", Command = "dvis.command/1.0",
        Masks = "dvis.v1.MaskFrame", Maps = "dvis.v1.MapFrame";
}
