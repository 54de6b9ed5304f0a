namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>Map from the network's grid of logits, whose content covers the frame, to the published grid.</summary>
/// <param name="FrameWidth">Source pixels.</param>
/// <param name="FrameHeight">Source pixels.</param>
/// <param name="GridWidth">Cells of the logits' rows, padding included.</param>
/// <param name="GridHeight">Rows of the logits, padding included.</param>
/// <param name="ContentWidth">Cells of the grid without padding: resized width / mask stride.</param>
/// <param name="ContentHeight">The same for rows.</param>
/// <param name="Cell">Source pixels per cell of the published mask.</param>
public readonly record struct MaskGeometry(
    int FrameWidth, int FrameHeight, int GridWidth, int GridHeight, double ContentWidth, double ContentHeight, int Cell)
{
    public int MaskWidth => (FrameWidth + Cell - 1) / Cell;

    public int MaskHeight => (FrameHeight + Cell - 1) / Cell;
}
