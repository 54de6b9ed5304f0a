using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Picture of a track that has ended, from the frame in which it was seen best.</summary>
/// <param name="Score">In that frame, 0 … 1.</param>
/// <param name="Box">Of the object in that frame, in source pixels.</param>
/// <param name="Crop">Part of the frame that the picture shows, in source pixels.</param>
/// <param name="Jpeg">May be smaller than the part that it shows.</param>
public sealed record TrackSnapshot(
    string Camera, string Epoch, long Track, int ClassId, float Score, FrameInfo Frame, Box Box, Box Crop,
    ReadOnlyMemory<byte> Jpeg) : PipelineMessage(Camera)
{
    /// <summary>Id of the track on the wire.</summary>
    public string Id => TrackIds.Of(Epoch, Track);

    public override bool IsDurable => false;
}
