namespace Dvis.Streaming.Pipeline.Results;

/// <summary>What leaves the pipeline: plain, immutable, unpooled. One stream of them a camera, in order.</summary>
public abstract record PipelineMessage(string Camera)
{
    /// <summary>True for what must not be lost (final, events, status): a full queue sheds telemetry first.</summary>
    public abstract bool IsDurable { get; }
}
