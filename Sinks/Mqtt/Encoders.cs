using Dvis.Streaming.Sinks.Mqtt.Outbox;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.Mqtt;

/// <summary>The encoders and their memory, shared by all cameras: the sink is called by one thread at a time.</summary>
internal sealed class Encoders : IDisposable
{
    public Encoders(SinkContext context, TimeProvider time)
    {
        Envelope = new(context, time);
        Provisional = new(Envelope);
        Final = new(Envelope);
        Events = new(context, Envelope);
        State = new(Envelope);
        Masks = new(context);
        Maps = new(context);
        Lost = new(time);
    }

    public Envelope Envelope { get; }

    public ProvisionalEncoder Provisional { get; }

    public FinalEncoder Final { get; }

    public EventEncoder Events { get; }

    public StateEncoder State { get; }

    public MaskFrameEncoder Masks { get; }

    public MapEncoder Maps { get; }

    /// <summary>Records that fit into no message.</summary>
    public DropTally Lost { get; }

    public void Dispose()
    {
        Provisional.Dispose();
        Final.Dispose();
        Events.Dispose();
        State.Dispose();
    }
}
