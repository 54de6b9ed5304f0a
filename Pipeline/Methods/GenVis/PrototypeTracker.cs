using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;

namespace Dvis.Streaming.Pipeline.Methods.GenVis;

/// <summary>
/// Tracker of video queries from clip to clip (GenVIS): slot index = identity. Its state is the query of the current
/// clip, [Q,C], and the memory of the clips before. Not thread-safe.
/// </summary>
/// <param name="graphs">The caller's.</param>
public sealed class PrototypeTracker(ModelGraphs graphs, TensorPool pool) : IDisposable
{
    private readonly ModelManifest _manifest = graphs.Manifest;
    private readonly IModel _graph = graphs[MethodContract.Clip];
    private readonly Tensor _query = FirstQuery(graphs), _first = FirstQuery(graphs);
    private readonly Tensor _reference = Queries(graphs), _key = Queries(graphs), _value = Queries(graphs);
    private readonly Tensor _readKey = Queries(graphs), _nextQuery = Queries(graphs);
    private readonly Tensor[] _inputs = new Tensor[2], _outputs = new Tensor[8];
    private readonly HashSet<int> _released = []; // since the last run

    /// <summary>Clips before the current one.</summary>
    public PrototypeMemory Memory { get; } = new(
        graphs.Manifest.Queries, graphs.Manifest.HiddenSize, graphs.Manifest.Memory!);

    /// <summary>Runs the graph on the frames of the clip so far; the state stays as it is.</summary>
    /// <param name="frames">The segmenter's queries, shape [1,n,F,C].</param>
    /// <returns>The caller's: one answer for all n frames.</returns>
    /// <exception cref="ModelException">The graph failed.</exception>
    public QueryFrame Run(Tensor frames)
    {
        var queries = _manifest.Queries;
        var answer = new QueryFrame(
            pool.Rent(1, queries, _manifest.HiddenSize), pool.Rent(1, queries, _manifest.ClassCount + 1),
            pool.Rent(1, queries, _manifest.MaskChannels));
        try
        {
            (_inputs[0], _inputs[1]) = (frames, _query);
            (_outputs[0], _outputs[1]) = (answer.InstanceEmbeds, _reference);
            (_outputs[2], _outputs[3]) = (answer.Logits, answer.MaskEmbeds);
            (_outputs[4], _outputs[5], _outputs[6], _outputs[7]) = (_key, _value, _readKey, _nextQuery);
            _graph.Run(_inputs, _outputs);
            _released.Clear();
            return answer;
        }
        catch
        {
            answer.Dispose();
            throw;
        }
    }

    /// <summary>Makes the last run the clip's: its entry goes into the memory, its query to the next clip.</summary>
    public void Commit()
    {
        Memory.Append(_key.Span, _value.Span);
        _nextQuery.Span.CopyTo(_query.Span);
        Memory.Read(_readKey.Span, _query.Span);
        foreach (var slot in _released) Restart(slot);
        _released.Clear();
    }

    /// <summary>
    /// Restarts a slot: its query is the first one and its memory empty. Not part of the published method, whose
    /// slots belong to their objects for ever; an endless stream has more objects than slots.
    /// </summary>
    public void Release(int slot)
    {
        Restart(slot);
        _released.Add(slot);
    }

    /// <summary>Restarts all slots.</summary>
    public void Reset()
    {
        _first.Span.CopyTo(_query.Span);
        Memory.Clear();
        _released.Clear();
    }

    public void Dispose()
    {
        Memory.Dispose();
        Tensor[] tensors = [_query, _first, _reference, _key, _value, _readKey, _nextQuery];
        foreach (var tensor in tensors) tensor.Dispose();
    }

    private void Restart(int slot)
    {
        var (start, length) = (slot * _manifest.HiddenSize, _manifest.HiddenSize);
        _first.Span.Slice(start, length).CopyTo(_query.Span[start..]);
        Memory.Clear(slot);
    }

    private static Tensor Queries(ModelGraphs graphs) => new(1, graphs.Manifest.Queries, graphs.Manifest.HiddenSize);

    private static Tensor FirstQuery(ModelGraphs graphs)
    {
        var query = Queries(graphs);
        graphs.FirstQuery.Span.CopyTo(query.Span);
        return query;
    }
}
