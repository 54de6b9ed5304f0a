namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// Counters of one camera's topics. They outlive the camera: they count from 1 in each session, and a camera that is
/// removed and added again is in the same session.
/// </summary>
internal sealed class CameraSequences
{
    public Sequence Tracks { get; } = new();

    public Sequence Final { get; } = new();

    public Sequence Events { get; } = new();

    public Sequence State { get; } = new();

    /// <summary>The counters of a camera, which are made when there are none.</summary>
    public static CameraSequences Of(Dictionary<string, CameraSequences> all, string camera)
    {
        if (!all.TryGetValue(camera, out var found)) all.Add(camera, found = new());
        return found;
    }
}
