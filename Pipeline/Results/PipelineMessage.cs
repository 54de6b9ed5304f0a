namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Message that leaves the pipeline: immutable, unpooled, in order per camera.</summary>
public abstract record PipelineMessage(string Camera)
{
    /// <summary>True for what must not be lost (final, events, status): a full queue sheds telemetry first.</summary>
    public abstract bool IsDurable { get; }
}
