using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

/// <summary>In steady state a frame costs no memory, however many tracks it has.</summary>
public sealed class EncoderAllocationTests
{
    private static readonly TimeProvider Time = TimeProvider.System;

    [Fact]
    public void Encode_Provisional_AllocatesNothing()
    {
        using var encoder = new ProvisionalEncoder(new Envelope(SomeResult.Context(), Time));
        var result = SomeResult.Provisional(Time, 7, [.. Enumerable.Range(1, 100).Select(n => SomeResult.Track(n))]);
        Assert.Equal(0, Bytes((sequence, emit) =>
            encoder.Encode(result, sequence, Moment.Now(Time), new(8192, MaskRefs: true), emit)));
    }

    [Fact]
    public void Encode_Final_AllocatesNothing()
    {
        using var encoder = new FinalEncoder(new Envelope(SomeResult.Context(), Time));
        var result =
            SomeResult.Final(Time, 3, 12, [.. Enumerable.Range(1, 50).Select(n => SomeResult.FinalTrack(n, 3, 12))]);
        Assert.Equal(0, Bytes((sequence, emit) => encoder.Encode(result, sequence, Moment.Now(Time), new(8192), emit)));
    }

    private static long Bytes(Action<Sequence, Action<ReadOnlyMemory<byte>>> encode)
    {
        var sequence = new Sequence();
        Action<ReadOnlyMemory<byte>> emit = static _ => { };
        for (var i = 0; i < 50; i++) encode(sequence, emit);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) encode(sequence, emit);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
