using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.PostProcessing;

/// <summary>Semantic classes, official: a class's score at a pixel is the sum over all queries of
/// class times mask probability; the highest wins.</summary>
public sealed class SemanticPostProcessor : VideoPostProcessor
{
    private readonly InputGeometry _input;
    private readonly MaskGeometry _geometry;
    private readonly SemanticMixture _mixture;
    private readonly int[] _wanted;
    private readonly ushort[] _labels, _classOf;
    private readonly List<ValueRuns> _frames = [];

    /// <param name="probabilities">Shape [Q,K+1].</param>
    public SemanticPostProcessor(ReadOnlySpan<float> probabilities, int classes, in InputGeometry input, int maskStride)
    {
        (_input, _geometry) = (input, MaskReader.GeometryOf(input, cell: 1));
        _mixture = new SemanticMixture(maskStride, probabilities.Length / (classes + 1), classes, slack: 0);
        _wanted = _mixture.Weigh(probabilities).ToArray();
        _labels = new ushort[input.SourceWidth * input.SourceHeight];
        _classOf = [0, .. Enumerable.Range(0, classes).Select(c => (ushort)c)]; // labels are classes + 1
    }

    public override IReadOnlyList<int> Wanted => _wanted;

    public override void Add(ReadOnlySpan<float> logits)
    {
        _mixture.Label(logits, _geometry, _labels);
        _frames.Add(new ValueRuns(_input.SourceWidth, _input.SourceHeight, _labels).Select(_classOf));
    }

    public override VideoResult Complete() => new SemanticResult(_input.SourceWidth, _input.SourceHeight, _frames);
}
