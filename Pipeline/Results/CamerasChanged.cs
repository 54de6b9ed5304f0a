using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>A camera as it is configured for the sinks.</summary>
/// <param name="Name"><c>[a-z0-9_-]{1,64}</c>.</param>
public sealed record SinkCamera(string Name, PublishOptions Publish)
{
    /// <summary>Names of its zones.</summary>
    public ImmutableArray<string> Zones { get; init; } = [];
}

/// <summary>
/// Cameras that exist from now on: after the last message of a removed camera, before the first of an added one. Sinks
/// drop those not listed; no queue sheds it. It belongs to no camera: <see cref="PipelineMessage.Camera"/> is empty.
/// </summary>
/// <param name="ConfigHash">Hash of the present configuration without secrets.</param>
public sealed record CamerasChanged(ImmutableArray<SinkCamera> Cameras, string ConfigHash) : PipelineMessage("")
{
    public override bool IsDurable => true;
}
