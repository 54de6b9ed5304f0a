using System.Numerics;

namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>Mask of one bit per grid cell, for the comparison of duplicates. Not thread-safe.</summary>
public sealed class MaskBits
{
    private const double DuplicateIoU = 0.6; // from here on two queries show one object

    private ulong[] _words = [];

    /// <summary>Set bits.</summary>
    public int Count { get; private set; }

    /// <summary>Takes the sign of <paramref name="logits"/>: above 0 is set.</summary>
    public void Assign(ReadOnlySpan<float> logits)
    {
        var words = (logits.Length + 63) / 64;
        if (_words.Length != words) _words = new ulong[words];
        Count = 0;
        for (var w = 0; w < words; w++)
        {
            var part = logits.Slice(w * 64, Math.Min(64, logits.Length - w * 64));
            ulong bits = 0;
            for (var i = 0; i < part.Length; i++)
                if (part[i] > 0) bits |= 1UL << i;
            _words[w] = bits;
            Count += BitOperations.PopCount(bits);
        }
    }

    public void CopyFrom(MaskBits other)
    {
        if (_words.Length != other._words.Length) _words = new ulong[other._words.Length];
        other._words.CopyTo(_words, 0);
        Count = other.Count;
    }

    /// <summary>True when one of <paramref name="taken"/> is a mask of the same object.</summary>
    public bool IsDuplicateOf(List<MaskBits> taken)
    {
        foreach (var other in taken)
            if (IoU(other) >= DuplicateIoU) return true;
        return false;
    }

    /// <summary>Intersection over union, 0 … 1; 0 when both are empty or the grids differ.</summary>
    public double IoU(MaskBits other)
    {
        var both = Intersection(other);
        var union = Count + other.Count - both;
        return union == 0 ? 0 : (double)both / union;
    }

    /// <summary>Cells that are set in both; 0 when the grids differ.</summary>
    public int Intersection(MaskBits other)
    {
        if (other._words.Length != _words.Length) return 0;
        var both = 0;
        for (var w = 0; w < _words.Length; w++) both += BitOperations.PopCount(_words[w] & other._words[w]);
        return both;
    }
}
