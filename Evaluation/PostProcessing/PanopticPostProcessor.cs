using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>
/// Panoptic segments, official: queries of a sure class compete for each pixel; a segment stays when, over the whole
/// video, it keeps most of its mask; stuff of one class is one segment. Because the areas are the whole video's, frames
/// are kept as runs of the winners until the last one has come.
/// </summary>
public sealed class PanopticPostProcessor : VideoPostProcessor
{
    private readonly PanopticRule _rule;
    private readonly InputGeometry _input;
    private readonly MaskGeometry _geometry;
    private readonly IReadOnlyList<ClassLabel> _classes;
    private readonly List<(int Query, int ClassId, float Score)> _kept = [];
    private readonly int[] _wanted, _rows;
    private readonly float[] _scores;
    private readonly PanopticCompetition _competition;
    private readonly ushort[] _labels;
    private readonly List<ValueRuns> _frames = [];

    /// <param name="probabilities">Shape [Q,K+1].</param>
    public PanopticPostProcessor(ReadOnlySpan<float> probabilities, IReadOnlyList<ClassLabel> classes,
        PanopticRule rule, in InputGeometry input, int maskStride)
    {
        (_input, _geometry, _classes, _rule) = (input, MaskReader.GeometryOf(input, cell: 1), classes, rule);
        var width = classes.Count + 1;
        for (var q = 0; q < probabilities.Length / width; q++)
        {
            var row = probabilities.Slice(q * width, width);
            var best = TensorPrimitives.IndexOfMax(row);
            if (best < classes.Count && row[best] > (float)rule.ObjectScore) _kept.Add((q, best, row[best]));
        }

        (_wanted, _rows, _scores) =
            ([.. _kept.Select(k => k.Query)], [.. Enumerable.Range(0, _kept.Count)], [.. _kept.Select(k => k.Score)]);
        _competition = new PanopticCompetition(maskStride);
        _competition.Begin(_kept.Count);
        _labels = new ushort[input.SourceWidth * input.SourceHeight];
    }

    public override IReadOnlyList<int> Wanted => _wanted;

    public override void Add(ReadOnlySpan<float> logits)
    {
        _competition.Add(logits, _rows, _scores, _geometry, _labels);
        _frames.Add(new ValueRuns(_input.SourceWidth, _input.SourceHeight, _labels));
    }

    public override VideoResult Complete()
    {
        var segments = new List<PredictedSegment>();
        var idOf = new ushort[_kept.Count + 1]; // 0, no segment, stays void
        for (var k = 0; k < _kept.Count; k++)
        {
            if (!_competition.Survives(k, _rule.Overlap)) continue;
            var (query, classId, _) = _kept[k];
            var thing = _classes[classId].Kind == "thing";
            var same = thing ? null : segments.Find(s => s.ClassId == classId);
            if (same is null) segments.Add(same = new PredictedSegment(segments.Count + 1, query, classId, thing));
            idOf[k + 1] = (ushort)same.Id;
        }

        return new PanopticResult(_input.SourceWidth, _input.SourceHeight, segments,
            _frames.ConvertAll(frame => frame.Select(idOf)));
    }
}
