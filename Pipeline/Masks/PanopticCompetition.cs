namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// The panoptic rule of MaskFormer, as DVIS applies it: every pixel goes to the claim with the largest score x mask, if
/// that mask is at least 0.5 there; a claim that wins less than a share of its own mask is dropped, and its pixels have
/// no owner. Areas add up over the frames between <see cref="Begin"/> and <see cref="Survives"/>: one live frame, or
/// all of a clip. Buffers are reused; not thread-safe.
/// </summary>
public sealed class PanopticCompetition(int maskStride)
{
    private const float Inside = 0.5f;

    private readonly ProbabilityUpsampler _upsampler = new(maskStride);
    private long[] _won = [], _own = [], _shown = [];
    private int _claims;

    // Per claim the two input rows around the present output row, row r in half r & 1.
    private float[] _rows = [], _row = [], _best = [], _bestMask = [];
    private int[] _labels = [];

    /// <summary>Forgets all areas.</summary>
    public void Begin(int claims)
    {
        _claims = claims;
        if (_won.Length < claims) (_won, _own, _shown) = (new long[claims], new long[claims], new long[claims]);
        Array.Clear(_won);
        Array.Clear(_own);
        Array.Clear(_shown);
    }

    /// <summary>One frame.</summary>
    /// <param name="logits">Mask logits, shape [any,GridHeight·GridWidth].</param>
    /// <param name="rows">Row of each claim in <paramref name="logits"/>.</param>
    /// <param name="labels">
    /// Shape [MaskHeight,MaskWidth]: index of the claim + 1, 0 where the winner's mask is below 0.5.
    /// </param>
    public void Add(ReadOnlySpan<float> logits, ReadOnlySpan<int> rows, ReadOnlySpan<float> scores,
        in MaskGeometry geometry, Span<ushort> labels)
    {
        _upsampler.Prepare(geometry);
        var (cells, width, input) =
            (geometry.GridWidth * geometry.GridHeight, _upsampler.OutputWidth, _upsampler.InputWidth);
        if (_claims == 0)
        {
            labels.Clear();
            return;
        }

        Resize(width, input);
        Span<int> held = [-1, -1];
        for (var y = 0; y < _upsampler.OutputHeight; y++)
        {
            var (low, high) = _upsampler.RowsOf(y);
            var (newLow, newHigh) = (held[low & 1] != low, held[high & 1] != high && high != low);
            (held[low & 1], held[high & 1]) = (low, high);
            _best.AsSpan(0, width).Fill(float.NegativeInfinity);
            for (var k = 0; k < _claims; k++)
            {
                var mask = logits.Slice(rows[k] * cells, cells);
                if (newLow) _upsampler.InputRow(mask, low, Held(k, low, input));
                if (newHigh) _upsampler.InputRow(mask, high, Held(k, high, input));
                var row = _row.AsSpan(0, width);
                _upsampler.OutputRow(Held(k, low, input), Held(k, high, input), y, row);
                _own[k] += MaskKernels.Compete(row, scores[k], k, Inside, _best.AsSpan(0, width),
                    _bestMask.AsSpan(0, width), _labels.AsSpan(0, width));
            }

            Award(labels.Slice(y * width, width));
        }
    }

    /// <summary>True when the claim stands, after all its frames.</summary>
    /// <param name="overlap">Share of its own mask that it must win.</param>
    public bool Survives(int claim, double overlap)
        => _shown[claim] > 0 && _own[claim] > 0 && (double)_won[claim] / _own[claim] >= overlap;

    private void Award(Span<ushort> labels)
    {
        for (var x = 0; x < labels.Length; x++)
        {
            var winner = _labels[x];
            var inside = _bestMask[x] >= Inside;
            _won[winner]++;
            if (inside) _shown[winner]++;
            labels[x] = inside ? (ushort)(winner + 1) : (ushort)0;
        }
    }

    private Span<float> Held(int claim, int row, int width) => _rows.AsSpan((claim * 2 + (row & 1)) * width, width);

    private void Resize(int width, int input)
    {
        if (_rows.Length < _claims * 2 * input) _rows = new float[_claims * 2 * input];
        if (_row.Length < width)
            (_row, _best, _bestMask, _labels) = (new float[width], new float[width], new float[width], new int[width]);
    }
}
