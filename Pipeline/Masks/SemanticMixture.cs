using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// The semantic rule of MaskFormer, as DVIS applies it: a pixel's class is the one with the largest sum over the queries of
/// class probability · mask. The sum commutes with the second upsampling, so it is taken on the resized picture and only the
/// sums are upsampled. Products below slack / Q are left out: the class given has at every pixel a sum that is less than
/// the slack below the largest. Classes that provably win nowhere in a row are not upsampled. Buffers are reused; not thread-safe.
/// </summary>
/// <param name="slack">What the left-out products of a class can sum up to, at most; 0: none is left out.</param>
public sealed class SemanticMixture(int maskStride, int queries, int classes, float slack = SemanticMixture.Slack)
{
    /// <summary>Enough for live results.</summary>
    public const float Slack = 0.01f;

    private readonly ProbabilityUpsampler _upsampler = new(maskStride);

    // The products that count, class by class: column = row of the query's mask.
    private readonly int[] _starts = new int[classes + 1];
    private readonly List<int> _columns = [], _used = [];
    private readonly List<float> _weights = [];
    private readonly float[][] _peaks = [new float[classes], new float[classes]];
    private readonly float[] _floors = new float[2];

    // Masks of one input row; per half the class sums of one input row, row r in half r & 1.
    private float[] _masks = [], _row = [], _best = [], _ceiling = [];
    private float[][] _sums = [[], []];
    private int[] _labels = [];

    /// <summary>Takes the class probabilities and says which queries count at all.</summary>
    /// <param name="probabilities">Shape [Q,K+1], the last column is "no object".</param>
    /// <returns>Queries in ascending order; their masks are what <see cref="Label"/> wants.</returns>
    public ReadOnlySpan<int> Weigh(ReadOnlySpan<float> probabilities)
    {
        var least = slack / queries;
        _columns.Clear();
        _weights.Clear();
        _used.Clear();
        for (var q = 0; q < queries; q++)
            if (TensorPrimitives.Max(probabilities.Slice(q * (classes + 1), classes)) >= least) _used.Add(q);
        for (var c = 0; c < classes; c++)
        {
            for (var row = 0; row < _used.Count; row++)
            {
                var p = probabilities[_used[row] * (classes + 1) + c];
                if (p < least) continue;
                _columns.Add(row);
                _weights.Add(p);
            }

            _starts[c + 1] = _columns.Count;
        }

        return CollectionsMarshal.AsSpan(_used);
    }

    /// <summary>The classes of one frame.</summary>
    /// <param name="logits">Mask logits of the queries of <see cref="Weigh"/>, shape [used,GridHeight·GridWidth].</param>
    /// <param name="labels">Shape [MaskHeight,MaskWidth]: class id + 1.</param>
    public void Label(ReadOnlySpan<float> logits, in MaskGeometry geometry, Span<ushort> labels)
    {
        _upsampler.Prepare(geometry);
        var (width, input) = (_upsampler.OutputWidth, _upsampler.InputWidth);
        Resize(width, input);
        Span<int> held = [-1, -1];
        for (var y = 0; y < _upsampler.OutputHeight; y++)
        {
            var (low, high) = _upsampler.RowsOf(y);
            foreach (var row in (ReadOnlySpan<int>)[low, high])
            {
                if (held[row & 1] == row) continue;
                held[row & 1] = row;
                Sum(logits, geometry.GridWidth * geometry.GridHeight, row, input);
            }

            Decide(y, low & 1, high & 1, input, labels.Slice(y * width, width));
        }
    }

    private void Sum(ReadOnlySpan<float> logits, int cells, int row, int input)
    {
        for (var m = 0; m < _used.Count; m++) _upsampler.InputRow(logits.Slice(m * cells, cells), row, _masks.AsSpan(m * input, input));
        var sums = _sums[row & 1].AsSpan(0, classes * input);
        MaskKernels.Mix(_starts, CollectionsMarshal.AsSpan(_columns), CollectionsMarshal.AsSpan(_weights), _masks, input, sums);
        var ceiling = _ceiling.AsSpan(0, input);
        ceiling.Clear();
        for (var c = 0; c < classes; c++)
        {
            var of = sums.Slice(c * input, input);
            _peaks[row & 1][c] = _starts[c] == _starts[c + 1] ? 0 : TensorPrimitives.Max<float>(of);
            if (_peaks[row & 1][c] > 0) TensorPrimitives.Max(ceiling, of, ceiling);
        }

        _floors[row & 1] = TensorPrimitives.Min<float>(ceiling);
    }

    private void Decide(int y, int low, int high, int input, Span<ushort> labels)
    {
        var best = _best.AsSpan(0, labels.Length);
        var found = _labels.AsSpan(0, labels.Length);
        var row = _row.AsSpan(0, labels.Length);
        best.Fill(float.NegativeInfinity);
        found.Clear();
        // The winner of the nearest of four neighbours keeps at least a quarter of its sum there.
        var least = Math.Min(_floors[low], _floors[high]) / 4;
        for (var c = 0; c < classes; c++)
        {
            if (Math.Max(_peaks[low][c], _peaks[high][c]) < least) continue;
            _upsampler.OutputRow(_sums[low].AsSpan(c * input, input), _sums[high].AsSpan(c * input, input), y, row);
            MaskKernels.Largest(row, c, best, found);
        }

        for (var x = 0; x < labels.Length; x++) labels[x] = (ushort)(found[x] + 1);
    }

    private void Resize(int width, int input)
    {
        if (_masks.Length < _used.Count * input) _masks = new float[_used.Count * input];
        if (_ceiling.Length < input) (_ceiling, _sums) = (new float[input], [new float[classes * input], new float[classes * input]]);
        if (_row.Length < width) (_row, _best, _labels) = (new float[width], new float[width], new int[width]);
    }
}
