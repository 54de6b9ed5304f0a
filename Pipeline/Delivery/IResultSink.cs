using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Delivery;

/// <summary>
/// Port of the sinks. A sink publishes one message and throws when it cannot; queue, isolation and counting are the
/// fan-out's. Calls come from one loop, one at a time, in order.
/// </summary>
public interface IResultSink : IAsyncDisposable
{
    /// <summary>For metrics and logs, for example <c>mqtt</c>.</summary>
    string Name { get; }

    /// <summary>True when a full queue makes the pipeline wait instead of shedding: for files from files.</summary>
    bool Lossless { get; }

    Task StartAsync(CancellationToken cancel);

    ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel);

    /// <summary>Waits, after the last message, until everything is delivered.</summary>
    Task FlushAsync(CancellationToken cancel);
}
