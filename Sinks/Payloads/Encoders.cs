namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoders of a sink, shared by its cameras. One thread.</summary>
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
    }

    public Envelope Envelope { get; }
    public ProvisionalEncoder Provisional { get; }
    public FinalEncoder Final { get; }
    public EventEncoder Events { get; }
    public StateEncoder State { get; }
    public MaskFrameEncoder Masks { get; }
    public MapEncoder Maps { get; }

    public void Dispose()
    {
        Provisional.Dispose();
        Final.Dispose();
        Events.Dispose();
        State.Dispose();
    }
}
