using System.Numerics;
using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>
/// Video instances, official: of all pairs of query and class the most probable,
/// without threshold or suppression; masks are upsampled twice and cut at 0. With mask quality a score is multiplied by
/// the mean probability of the mask's own pixels, over the video, in the resized frame.
/// </summary>
public sealed class InstancePostProcessor : VideoPostProcessor
{
    private readonly InputGeometry _input;
    private readonly MaskGeometry _geometry;
    private readonly (int Query, int ClassId, float Score)[] _best;
    private readonly int[] _wanted;
    private readonly List<RunLengthMask>[] _masks; // by wanted query

    // Everything lies on its side: COCO run lengths go down columns, so the upsampler's rows are the picture's columns.
    private readonly ProbabilityUpsampler _upsampler;
    private readonly RunWriter _runs = new();
    private readonly float[] _grid, _column;
    private readonly (double Sum, long Pixels)[]? _quality; // by wanted query
    private readonly float[][] _held; // column x of the resized picture in half x & 1

    /// <param name="probabilities">Shape [Q,K+1].</param>
    /// <param name="above">Probability above which all pairs count (IDOL); null: the topK best count.</param>
    public InstancePostProcessor(ReadOnlySpan<float> probabilities, int classes, int topK, in InputGeometry input,
        int maskStride, bool maskQuality = false, float? above = null)
    {
        (_input, _geometry) = (input, MaskReader.GeometryOf(input, cell: 1));
        _best = Best(probabilities, classes, topK, above);
        _wanted = [.. _best.Select(b => b.Query).Distinct().Order()];
        _masks = Array.ConvertAll(_wanted, _ => new List<RunLengthMask>());
        _upsampler = new ProbabilityUpsampler(maskStride, sigmoid: false);
        var g = _geometry;
        _upsampler.Prepare(new MaskGeometry(g.FrameHeight, g.FrameWidth, g.GridHeight, g.GridWidth, g.ContentHeight,
            g.ContentWidth, Cell: 1));
        (_grid, _column) = (new float[g.GridWidth * g.GridHeight], new float[g.FrameHeight]);
        if (maskQuality) _quality = new (double, long)[_wanted.Length];
        _held = [new float[_upsampler.InputWidth], new float[_upsampler.InputWidth]];
    }

    public override IReadOnlyList<int> Wanted => _wanted;

    public override void Add(ReadOnlySpan<float> logits)
    {
        for (var k = 0; k < _wanted.Length; k++) _masks[k].Add(Encode(k, logits.Slice(k * _grid.Length, _grid.Length)));
    }

    public override VideoResult Complete()
    {
        var tubes = _best.Select(b =>
        {
            var row = Array.IndexOf(_wanted, b.Query);
            return new InstanceTube(b.Query, b.ClassId, b.Score * QualityOf(row), _masks[row]);
        });
        return new InstanceResult(_input.SourceWidth, _input.SourceHeight, [.. tubes.OrderByDescending(t => t.Score)]);
    }

    /// <summary>Mean probability of the pixels of a mask; 0 without any, 1 where it does not count.</summary>
    private float QualityOf(int row)
        => _quality?[row] is var (sum, pixels) ? (float)(sum / (pixels + 1e-6)) : 1;

    /// <summary>The most probable pairs of query and class; on ties the lower query, then the lower class.</summary>
    private static (int Query, int ClassId, float Score)[] Best(ReadOnlySpan<float> probabilities, int classes,
        int topK, float? above)
    {
        var pairs = new List<(int Query, int ClassId, float Score)>();
        for (var q = 0; q < probabilities.Length / (classes + 1); q++)
            for (var c = 0; c < classes; c++) pairs.Add((q, c, probabilities[q * (classes + 1) + c]));
        var sorted = pairs.OrderByDescending(p => p.Score);
        return [.. above is { } least ? sorted.TakeWhile(p => p.Score > least) : sorted.Take(topK)];
    }

    private RunLengthMask Encode(int row, ReadOnlySpan<float> logits)
    {
        _runs.Begin(_input.SourceHeight);
        // An interpolation does not exceed what it lies between.
        if (TensorPrimitives.Max(logits) > 0)
        {
            Transpose(logits);
            if (_quality is not null) Measure(ref _quality[row]);
            WriteRuns();
        }

        return _runs.IsEmpty
            ? new RunLengthMask(_input.SourceWidth, _input.SourceHeight, [_input.SourceWidth * _input.SourceHeight])
            : _runs.ToMask(_geometry).Mask;
    }

    private void Transpose(ReadOnlySpan<float> logits)
    {
        var (width, height) = (_input.MaskWidth, _input.MaskHeight);
        for (var y = 0; y < height; y++)
            for (var x = 0; x < width; x++) _grid[x * height + y] = logits[y * width + x];
    }

    private void Measure(ref (double Sum, long Pixels) quality)
    {
        var column = _held[0];
        for (var x = 0; x < _upsampler.InputHeight; x++)
        {
            _upsampler.InputRow(_grid, x, column);
            foreach (var logit in column)
            {
                if (logit <= 0) continue;
                quality.Sum += 1 / (1 + Math.Exp(-logit));
                quality.Pixels++;
            }
        }
    }

    private void WriteRuns()
    {
        Span<int> held = [-1, -1];
        Span<bool> positive = [false, false];
        for (var x = 0; x < _input.SourceWidth; x++)
        {
            var (low, high) = _upsampler.RowsOf(x);
            foreach (var column in (ReadOnlySpan<int>)[low, high])
            {
                var half = column & 1;
                if (held[half] == column) continue;
                held[half] = column;
                _upsampler.InputRow(_grid, column, _held[half]);
                positive[half] = TensorPrimitives.Max<float>(_held[half]) > 0;
            }

            if (!positive[low & 1] && !positive[high & 1]) continue;
            _upsampler.OutputRow(_held[low & 1], _held[high & 1], x, _column);
            for (var from = Next(_column, 0, positive: true); from < _column.Length;)
            {
                var to = Next(_column, from, positive: false);
                _runs.Add(x, from, to);
                from = Next(_column, to, positive: true);
            }
        }
    }

    /// <summary>Where the next value above 0 lies, or, when <paramref name="positive"/> is false,
    /// the next one that does not; the length when there is none.</summary>
    internal static int Next(ReadOnlySpan<float> values, int from, bool positive)
    {
        var other = positive ? Vector<int>.Zero : Vector<int>.AllBitsSet;
        for (var step = Vector<float>.Count; from + step <= values.Length; from += step)
            if (Vector.GreaterThan(new Vector<float>(values[from..]), Vector<float>.Zero) != other) break;
        while (from < values.Length && values[from] > 0 != positive) from++;
        return from;
    }
}
