using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Delivery;

/// <summary>Where the stages hand their messages: the fan-out, or a list in a test.</summary>
public interface IPublisher
{
    /// <summary>Thread-safe; waits only for lossless sinks.</summary>
    ValueTask PublishAsync(PipelineMessage message);
}
