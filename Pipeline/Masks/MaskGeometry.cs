namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>
/// From mask logits on the network's grid to a mask on the published grid:
/// the content (without padding) of the grid covers the frame.
/// </summary>
/// <param name="FrameWidth">Source pixels.</param>
/// <param name="FrameHeight">Source pixels.</param>
/// <param name="GridWidth">Cells of the logits' rows, padding included.</param>
/// <param name="GridHeight">Rows of the logits, padding included.</param>
/// <param name="ContentWidth">Part of the grid that shows the frame, in cells: resized width / mask stride.</param>
/// <param name="ContentHeight">The same for rows.</param>
/// <param name="Cell">Source pixels a cell of the published mask.</param>
public readonly record struct MaskGeometry(
    int FrameWidth, int FrameHeight, int GridWidth, int GridHeight, double ContentWidth, double ContentHeight, int Cell)
{
    public int MaskWidth => (FrameWidth + Cell - 1) / Cell;

    public int MaskHeight => (FrameHeight + Cell - 1) / Cell;
}
