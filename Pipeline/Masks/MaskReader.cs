using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// Reader of the masks of one frame's wanted queries: logits on the network's grid, bits to compare, and the published
/// form on demand. One per stage; results are valid until the next <see cref="Load"/>. Not thread-safe.
/// </summary>
public sealed class MaskReader(int maskChannels, bool contours)
{
    private readonly MaskEncoder _encoder = new();
    private readonly ContourTracer _tracer = new();
    private readonly List<MaskBits> _bits = [];
    private readonly List<(bool Made, EncodedMask? Mask)> _encoded = [];
    private float[] _logits = [];
    private MaskGeometry _geometry;

    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    /// <param name="maskFeatures">Shape [1,Cm,h,w].</param>
    /// <param name="wanted">Queries; row k of what follows is query wanted[k].</param>
    /// <param name="bits">False where masks are not compared: <see cref="Bits"/> is void then.</param>
    public void Load(ReadOnlySpan<float> maskEmbeds, Tensor maskFeatures, ReadOnlySpan<int> wanted,
        in MaskGeometry geometry, bool bits = true)
    {
        _geometry = geometry;
        var cells = geometry.GridWidth * geometry.GridHeight;
        if (_logits.Length < wanted.Length * cells) _logits = new float[wanted.Length * cells];
        MaskKernels.Logits(maskEmbeds, maskFeatures.Span, maskChannels, wanted, _logits);
        _encoded.Clear();
        CollectionsMarshal.SetCount(_encoded, wanted.Length);
        for (var k = 0; bits && k < wanted.Length; k++)
        {
            if (_bits.Count == k) _bits.Add(new MaskBits());
            _bits[k].Assign(Row(k));
        }
    }

    /// <summary>Shape [wanted,GridHeight·GridWidth], more may follow.</summary>
    public ReadOnlySpan<float> Logits => _logits;

    public MaskBits Bits(int row) => _bits[row];

    /// <summary>Null when nothing of the mask lies in the frame.</summary>
    public EncodedMask? Encode(int row)
    {
        if (!_encoded[row].Made) _encoded[row] = (true, _encoder.Encode(Row(row), _geometry));
        return _encoded[row].Mask;
    }

    /// <summary>Null when contours are not wanted.</summary>
    public Contour? Trace(RunLengthMask mask)
        => contours ? _tracer.Trace(mask, _geometry.Cell, _geometry.FrameWidth, _geometry.FrameHeight) : null;

    public static MaskGeometry GeometryOf(in InputGeometry input, int cell) => new(
        input.SourceWidth, input.SourceHeight, input.MaskWidth, input.MaskHeight,
        (double)input.ResizedWidth * input.MaskWidth / input.PaddedWidth,
        (double)input.ResizedHeight * input.MaskHeight / input.PaddedHeight, cell);

    private ReadOnlySpan<float> Row(int row)
    {
        var cells = _geometry.GridWidth * _geometry.GridHeight;
        return _logits.AsSpan(row * cells, cells);
    }
}
