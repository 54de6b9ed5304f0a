namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Names of the payloads' schemas: the major number changes with the topic's,
/// the minor with every new field.</summary>
public static class Schemas
{
    public const string Tracks = "dvis.tracks/1.0", Final = "dvis.final/1.0", Event = "dvis.event/1.0",
        State = "dvis.state/1.1", Segments = "dvis.segments/1.0", SegmentsFinal = "dvis.segments_final/1.0",
        Status = "dvis.status/1.0", Labels = "dvis.labels/1.0", Command = "dvis.command/1.0",
        Masks = "dvis.v1.MaskFrame", Maps = "dvis.v1.MapFrame";
}
