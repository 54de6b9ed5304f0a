using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Segmentation;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// Detections of one frame for the association: queries whose best class has a score above
/// <see cref="AssociationRule.Select"/>, the best first. Buffers are reused; not thread-safe.
/// </summary>
/// <remarks>
/// IDOL scores classes one by one with a sigmoid; the segmenter here has a softmax with "no object". Its box NMS at 0.9
/// is left out: with queries matched one to one it removes nothing that the mask NMS would not.
/// </remarks>
/// <param name="keepsBest">
/// True: where no query is a detection, the best one counts, as in IDOL. Where one object has left an endless stream,
/// that query keeps its tracklet alive, and the next object gets its id.
/// </param>
public sealed class FrameDetections(ModelGraphs graphs, bool keepsBest) : IDisposable
{
    private readonly IModel _associate = graphs[MethodContract.Associate];
    private readonly int _queries = graphs.Manifest.FrameQueries, _channels = graphs.Manifest.HiddenSize;
    private readonly int _width = graphs.Manifest.ClassCount + 1;
    private readonly Tensor _contrastive = new(1, graphs.Manifest.FrameQueries, graphs.Manifest.HiddenSize);
    private readonly Tensor _logits = new(1, graphs.Manifest.FrameQueries, graphs.Manifest.ClassCount + 1);
    private readonly Tensor _maskEmbeds = new(1, graphs.Manifest.FrameQueries, graphs.Manifest.MaskChannels);
    private readonly MaskReader _reader = new(graphs.Manifest.MaskChannels, contours: false);
    private readonly float[] _row = new float[graphs.Manifest.ClassCount + 1];
    private readonly float[] _scoreOf = new float[graphs.Manifest.FrameQueries];
    private readonly float[] _scores = new float[graphs.Manifest.FrameQueries];
    private readonly float[] _embeds = new float[graphs.Manifest.FrameQueries * graphs.Manifest.HiddenSize];
    private readonly List<int> _wanted = [];
    private readonly List<MaskBits> _masks = [];
    private Comparison<int>? _byScore;

    /// <summary>Query of each detection.</summary>
    public IReadOnlyList<int> Queries => _wanted;

    /// <summary>Score of the best class of each detection, 0 … 1, falling.</summary>
    public ReadOnlySpan<float> Scores => _scores.AsSpan(0, _wanted.Count);

    /// <summary>Contrastive embeddings, shape [N,C].</summary>
    public ReadOnlySpan<float> Embeds => _embeds.AsSpan(0, _wanted.Count * _channels);

    /// <summary>Masks on the network's grid, valid until the next frame.</summary>
    public IReadOnlyList<MaskBits> Masks => _masks;

    /// <exception cref="ModelException">The graph failed.</exception>
    public void Read(SegmentedFrame frame)
    {
        _associate.Run([frame.FrameEmbeds], [_contrastive, _logits, _maskEmbeds]);
        Select();
        _reader.Load(
            _maskEmbeds.Span, frame.MaskFeatures, CollectionsMarshal.AsSpan(_wanted),
            MaskReader.GeometryOf(frame.Geometry, cell: 1));
        _masks.Clear();
        for (var i = 0; i < _wanted.Count; i++)
        {
            _masks.Add(_reader.Bits(i));
            _scores[i] = _scoreOf[_wanted[i]];
            _contrastive.Span.Slice(_wanted[i] * _channels, _channels).CopyTo(_embeds.AsSpan(i * _channels));
        }
    }

    public void Dispose()
    {
        _contrastive.Dispose();
        _logits.Dispose();
        _maskEmbeds.Dispose();
    }

    private void Select()
    {
        _wanted.Clear();
        for (var query = 0; query < _queries; query++)
        {
            MaskKernels.Softmax(_logits.Span.Slice(query * _width, _width), _row);
            _scoreOf[query] = TensorPrimitives.Max(_row.AsSpan(0, _width - 1));
            if (_scoreOf[query] > (float)graphs.Manifest.Association!.Select) _wanted.Add(query);
        }

        if (_wanted.Count == 0 && keepsBest)
            _wanted.Add(Math.Max(0, TensorPrimitives.IndexOfMax<float>(_scoreOf)));
        // Of equal scores the lower query is first: the order must not depend on the sort.
        _wanted.Sort(_byScore ??= (a, b) => _scoreOf[a] == _scoreOf[b] ? a - b : _scoreOf[b].CompareTo(_scoreOf[a]));
    }
}
