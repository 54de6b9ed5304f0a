namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Numbers of segments: those of classes and those of tracks never meet.</summary>
public static class SegmentIds
{
    /// <summary>Class ids end below this, see <c>manifest.json</c>.</summary>
    public const long FirstThing = 65536;

    /// <summary>Class id + 1 for stuff and classes,
    /// <see cref="FirstThing"/> + number of the track for things; stable within the epoch.</summary>
    public static long Of(int classId, long? track) => track is { } number ? FirstThing + number : classId + 1;
}
