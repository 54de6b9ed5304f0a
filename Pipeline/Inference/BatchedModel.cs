using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>
/// A graph that cameras share: calls that come while it runs wait, and the next run takes all of equal shapes as one
/// batch. A call that finds the graph free never waits for others.
/// </summary>
/// <param name="model">Its first side of every input and output is the batch; owned.</param>
/// <param name="max">Calls in one run, at most.</param>
/// <param name="ran">Called with the calls of each run.</param>
public sealed class BatchedModel(IModel model, int max, TensorPool pool, Action<int> ran) : IModel
{
    private readonly object _gate = new();
    private readonly List<Call> _waiting = []; // under _gate, as is _running
    private bool _running;

    public string Name => model.Name;

    public IReadOnlyList<TensorSpec> Inputs => model.Inputs;

    public IReadOnlyList<TensorSpec> Outputs => model.Outputs;

    /// <summary>Calls that wait for the end of a run.</summary>
    internal int Waiting
    {
        get { lock (_gate) return _waiting.Count; }
    }

    public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs)
    {
        var call = new Call(inputs.ToArray(), outputs.ToArray());
        Call[] batch;
        lock (_gate)
        {
            _waiting.Add(call);
            while (_running && !call.Ended) Monitor.Wait(_gate);
            if (call.Ended)
            {
                call.ThrowIfFailed();
                return;
            }

            batch = [call, .. _waiting.Where(other => other != call && other.Fits(call)).Take(max - 1)];
            _waiting.RemoveAll(batch.Contains);
            _running = true;
        }

        ModelException? failure = null;
        try
        {
            RunBatch(batch);
            ran(batch.Length);
        }
        catch (Exception e) // of whatever kind: the others must not take undefined outputs for an answer
        {
            failure = e as ModelException ?? new ModelException($"{Name}: the graph failed: {e.Message}", e);
            throw;
        }
        finally
        {
            lock (_gate)
            {
                foreach (var each in batch) each.End(failure);
                _running = false;
                Monitor.PulseAll(_gate);
            }
        }
    }

    public void Dispose() => model.Dispose();

    private void RunBatch(Call[] batch)
    {
        if (batch is [var only])
        {
            model.Run(only.Inputs, only.Outputs);
            return;
        }

        var inputs = Array.ConvertAll(batch[0].Inputs, tensor => Rent(tensor, batch.Length));
        var outputs = Array.ConvertAll(batch[0].Outputs, tensor => Rent(tensor, batch.Length));
        try
        {
            foreach (var (i, call) in batch.Index())
                foreach (var (all, part) in inputs.Zip(call.Inputs)) part.Span.CopyTo(all.Span[(i * part.Length)..]);
            model.Run(inputs, outputs);
            foreach (var (i, call) in batch.Index())
                foreach (var (all, part) in outputs.Zip(call.Outputs))
                    all.Span.Slice(i * part.Length, part.Length).CopyTo(part.Span);
        }
        finally
        {
            foreach (var tensor in inputs.Concat(outputs)) tensor.Dispose();
        }
    }

    private Tensor Rent(Tensor one, int count) => pool.Rent([count * one.Shape[0], .. one.Shape[1..]]);

    private sealed class Call(Tensor[] inputs, Tensor[] outputs)
    {
        private ModelException? _failure;

        public Tensor[] Inputs => inputs;

        public Tensor[] Outputs => outputs;

        public bool Ended { get; private set; }

        public bool Fits(Call other) => inputs.Zip(other.Inputs).All(p => p.First.Shape.SequenceEqual(p.Second.Shape));

        public void End(ModelException? failure) => (Ended, _failure) = (true, failure);

        public void ThrowIfFailed()
        {
            if (_failure is not null) throw new ModelException(_failure.Message, _failure);
        }
    }
}
