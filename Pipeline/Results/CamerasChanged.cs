using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>A camera as the sinks know it.</summary>
/// <param name="Name"><c>[a-z0-9_-]{1,64}</c>.</param>
public sealed record SinkCamera(string Name, PublishOptions Publish);

/// <summary>
/// The cameras there are from now on. It follows the last message of a camera that went and precedes the first of one
/// that came; sinks forget those not listed. It is about no single camera: <see cref="PipelineMessage.Camera"/> is
/// empty. No queue sheds it.
/// </summary>
/// <param name="ConfigHash">Of the configuration that holds now, secrets left out.</param>
public sealed record CamerasChanged(ImmutableArray<SinkCamera> Cameras, string ConfigHash) : PipelineMessage("")
{
    public override bool IsDurable => true;
}
