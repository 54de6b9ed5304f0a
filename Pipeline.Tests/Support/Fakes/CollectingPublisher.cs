using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>Keeps every message in the order it came.</summary>
internal sealed class CollectingPublisher : IPublisher
{
    private readonly Lock _gate = new();
    private readonly List<PipelineMessage> _messages = [];

    public IReadOnlyList<PipelineMessage> Messages
    {
        get
        {
            lock (_gate) return [.. _messages];
        }
    }

    public FinalResult[] Finals => [.. Messages.OfType<FinalResult>()];

    public ProvisionalResult[] Provisionals => [.. Messages.OfType<ProvisionalResult>()];

    public LifecycleEvent[] Events => [.. Messages.OfType<LifecycleEvent>()];

    public ValueTask PublishAsync(PipelineMessage message)
    {
        lock (_gate) _messages.Add(message);
        return ValueTask.CompletedTask;
    }
}
