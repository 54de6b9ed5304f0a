using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Methods.GenVis;

/// <summary>
/// A clip graph of a few sums, which keeps what it was given, and the published recurrence around it, computed apart:
/// query of the next clip = <c>next_query</c> + what the slot reads of the clips before.
/// </summary>
internal sealed class TracedGenVis(int clip)
{
    private const int Slots = FakeDvis.Queries, Width = FakeDvis.Hidden;
    private readonly PlainMemory[] _memory =
        [.. Enumerable.Range(0, Slots).Select(_ => new PlainMemory(new MemoryRule(4)))];

    private float[] _query = First();

    /// <summary>Frames and query of each run.</summary>
    public List<(int Frames, float[] Query)> Runs { get; } = [];

    public ModelGraphs Models()
    {
        var fake = new FakeGenVis(clip, body: (inputs, outputs) =>
        {
            Runs.Add(((int)inputs[0].Shape[1], inputs[1].Span.ToArray()));
            var found = Answer(inputs[0].Span, inputs[1].Span);
            found.X.CopyTo(outputs[0].Span);
            outputs[1].Span.Clear();
            for (var i = 0; i < outputs[2].Length; i++) outputs[2].Span[i] = found.X[i % found.X.Length] + 0.1f * i;
            for (var i = 0; i < outputs[3].Length; i++) outputs[3].Span[i] = found.X[i % found.X.Length] - 0.1f * i;
            found.Key.CopyTo(outputs[4].Span);
            found.Value.CopyTo(outputs[5].Span);
            found.ReadKey.CopyTo(outputs[6].Span);
            found.Next.CopyTo(outputs[7].Span);
        });
        return new(fake.Manifest, new Dictionary<string, IModel>
        {
            [MethodContract.Segmenter] = fake.Segmenter,
            [MethodContract.Clip] = fake.Clip,
        })
        { FirstQuery = First() };
    }

    public static float[] First() => [.. Enumerable.Range(0, Slots * Width).Select(i => 0.05f * i - 0.4f)];

    public static float[] Frame(int number) =>
        [.. Enumerable.Range(0, Slots * Width).Select(i => MathF.Sin(number * 7 + i))];

    /// <summary>Query of the current clip, by the recurrence.</summary>
    public float[] Query => [.. _query];

    /// <summary>Goes on to the next clip.</summary>
    public void Commit(params int[] frames)
    {
        var found = Answer([.. frames.SelectMany(Frame)], _query);
        for (var slot = 0; slot < Slots; slot++)
            _memory[slot].Append(Row(found.Key, slot), Row(found.Value, slot));
        _query = [.. Enumerable.Range(0, Slots).SelectMany(slot =>
            Row(found.Next, slot).Zip(_memory[slot].Read(Row(found.ReadKey, slot)), (n, r) => n + (float)r))];
    }

    public void Release(int slot)
    {
        First().AsSpan(slot * Width, Width).CopyTo(_query.AsSpan(slot * Width));
        _memory[slot].Clear();
    }

    public void Reset()
    {
        for (var slot = 0; slot < Slots; slot++) Release(slot);
    }

    private static Sums Answer(ReadOnlySpan<float> frames, ReadOnlySpan<float> query)
    {
        var mean = new float[Width];
        for (var i = 0; i < frames.Length; i++) mean[i % Width] += frames[i] * Width / frames.Length;
        float[] x = [.. query.ToArray().Select((q, i) => q + mean[i % Width])];
        return new(
            x, [.. x.Select(v => 0.7f * v)], [.. x.Select((v, i) => i % Width - v)], [.. x.Select(v => 0.3f * v)],
            [.. query.ToArray().Select((q, i) => 0.9f * q + 0.2f * mean[i % Width])]);
    }

    private static float[] Row(float[] rows, int slot) => rows[(slot * Width)..((slot + 1) * Width)];

    private sealed record Sums(float[] X, float[] Key, float[] Value, float[] ReadKey, float[] Next);
}
