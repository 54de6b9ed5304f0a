namespace Dvis.Streaming.Pipeline.Results;

/// <summary>
/// A binary mask as COCO run lengths: column-major, counts start with background, all counts sum to Width*Height.
/// The grid may be coarser than the frame(<see cref="PublishOptions.MaskGrid"/> source pixels a cell).
/// </summary>
public sealed record RunLengthMask(int Width, int Height, int[] Counts)
{
    /// <summary>Foreground cells.</summary>
    public long Area
    {
        get
        {
            long area = 0;
            for (var i = 1; i < Counts.Length; i += 2) area += Counts[i];
            return area;
        }
    }

    public bool IsEmpty => Counts.Length < 2;
}
