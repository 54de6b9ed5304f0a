using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// The semantic rule of MaskFormer, as DVIS applies it: a pixel's class is the one with the largest sum over the
/// queries of class probability · mask. The sum commutes with the second upsampling, so it is taken on the resized
/// frame and only the sums are upsampled. Small products are left out where they provably cannot add up to more than
/// the slack, so the sum of a pixel's class is at most that much below the largest. Classes that provably win nowhere
/// in a row are not upsampled. Buffers are reused; not thread-safe.
/// </summary>
/// <param name="slack">Largest sum of the left-out products of a class; 0: none is left out.</param>
public sealed class SemanticMixture(int maskStride, int queries, int classes, float slack = SemanticMixture.Slack)
{
    /// <summary>Enough for live results.</summary>
    public const float Slack = 0.01f;

    // Pixels for which it is decided together whether the few products are enough.
    private const int Stretch = 64;

    private readonly ProbabilityUpsampler _upsampler = new(maskStride);
    private readonly List<int> _used = [];

    // By used query: mask logits below which its products come to nothing.
    private readonly List<float> _least = [];

    // The products that count. Few are enough where few masks overlap: the test is the last row of their sums, which
    // has the largest probability of each query that they leave out.
    private readonly Products _few = new(classes + 1), _all = new(classes);
    private readonly float[][] _peaks = [new float[classes], new float[classes]];
    private readonly float[] _floors = new float[2];
    private float _unused;

    // Masks of one input row; per half the class sums of one input row, row r in half r & 1.
    private float[] _masks = [], _row = [], _best = [], _ceiling = [];
    private float[][] _sums = [[], []];
    private int[] _labels = [];

    /// <summary>Sets the class probabilities and selects the queries that count.</summary>
    /// <param name="probabilities">Shape [Q,K+1], the last column is "no object".</param>
    /// <returns>Queries in ascending order; <see cref="Label"/> needs their masks.</returns>
    public ReadOnlySpan<int> Weigh(ReadOnlySpan<float> probabilities)
    {
        // A quarter of the slack is for small masks, the rest for small probabilities.
        var least = slack / 4 / queries;
        _used.Clear();
        _least.Clear();
        _unused = 0;
        for (var q = 0; q < queries; q++)
        {
            var largest = TensorPrimitives.Max(probabilities.Slice(q * (classes + 1), classes));
            if (largest < least)
            {
                _unused += largest;
                continue;
            }

            _used.Add(q);
            _least.Add(largest > least ? MathF.Log(least / (largest - least)) : float.NegativeInfinity);
        }

        _all.Take(probabilities, CollectionsMarshal.AsSpan(_used), classes, least);
        // Below this, three queries of a pixel cannot exceed the slack.
        if (slack > 0) _few.Take(probabilities, CollectionsMarshal.AsSpan(_used), classes, slack / 4);
        return CollectionsMarshal.AsSpan(_used);
    }

    /// <summary>The classes of one frame.</summary>
    /// <param name="logits">Mask logits of those of <see cref="Weigh"/>, shape [used,GridHeight·GridWidth].</param>
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
        for (var m = 0; m < _used.Count; m++)
            _upsampler.InputRow(logits.Slice(m * cells, cells), row, _masks.AsSpan(m * input, input), _least[m]);
        var sums = _sums[row & 1].AsSpan(0, (classes + 1) * input);
        var products = slack > 0 ? _few : _all;
        products.Mix(_masks, input, .., sums);
        for (var x = 0; slack > 0 && x < input; x += Stretch)
        {
            var stretch = x..Math.Min(x + Stretch, input);
            if (TensorPrimitives.Max<float>(sums[(classes * input)..][stretch]) + _unused > slack * 0.75f)
                (products = _all).Mix(_masks, input, stretch, sums);
        }

        var ceiling = _ceiling.AsSpan(0, input);
        ceiling.Clear();
        for (var c = 0; c < classes; c++)
        {
            var of = sums.Slice(c * input, input);
            _peaks[row & 1][c] = products.IsEmpty(c) ? 0 : TensorPrimitives.Max<float>(of);
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
            var peak = Math.Max(_peaks[low][c], _peaks[high][c]);
            if (peak < least || peak == 0) continue;
            _upsampler.OutputRow(_sums[low].AsSpan(c * input, input), _sums[high].AsSpan(c * input, input), y, row);
            MaskKernels.Largest(row, c, best, found);
        }

        for (var x = 0; x < labels.Length; x++) labels[x] = (ushort)(found[x] + 1);
    }

    private void Resize(int width, int input)
    {
        if (_masks.Length < _used.Count * input) _masks = new float[_used.Count * input];
        if (_ceiling.Length < input)
            (_ceiling, _sums) =
                (new float[input], [new float[(classes + 1) * input], new float[(classes + 1) * input]]);
        if (_row.Length < width) (_row, _best, _labels) = (new float[width], new float[width], new int[width]);
    }

    /// <summary>Class probabilities from some size on, class by class.</summary>
    private sealed class Products(int rows)
    {
        private readonly int[] _starts = new int[rows + 1];
        private readonly List<int> _columns = [];
        private readonly List<float> _weights = [];

        public bool IsEmpty(int classId) => _starts[classId] == _starts[classId + 1];

        /// <summary>A row after the classes gets each query's largest probability below <c>least</c>.</summary>
        /// <param name="used">Queries; a column is a place in this list.</param>
        public void Take(ReadOnlySpan<float> probabilities, ReadOnlySpan<int> used, int classes, float least)
        {
            _columns.Clear();
            _weights.Clear();
            for (var c = 0; c < classes; c++)
            {
                for (var column = 0; column < used.Length; column++)
                {
                    var p = probabilities[used[column] * (classes + 1) + c];
                    if (p >= least) Add(column, p);
                }

                _starts[c + 1] = _columns.Count;
            }

            if (rows == classes) return;
            for (var column = 0; column < used.Length; column++)
            {
                var largest = 0f;
                foreach (var p in probabilities.Slice(used[column] * (classes + 1), classes))
                    if (p < least && p > largest) largest = p;
                Add(column, largest);
            }

            _starts[rows] = _columns.Count;

            void Add(int column, float weight)
            {
                _columns.Add(column);
                _weights.Add(weight);
            }
        }

        public void Mix(ReadOnlySpan<float> masks, int width, Range range, Span<float> sums)
            => MaskKernels.Mix(_starts, CollectionsMarshal.AsSpan(_columns), CollectionsMarshal.AsSpan(_weights), masks,
                width, range, sums);
    }
}
