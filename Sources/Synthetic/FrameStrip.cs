namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// A frame number that a picture carries in its top left corner: 28 square cells in a row, white, black, 24 bits
/// (most significant first, white = 1), even parity of the 24 bits, white. A cell's side is max(4, height / 40) pixels.
/// Survives video compression.
/// </summary>
public static class FrameStrip
{
    public const int Cells = 28;
    private const int Bits = 24;

    /// <summary>Side of a cell in pixels.</summary>
    public static int CellSize(int height) => Math.Max(4, height / 40);

    public static bool Fits(int width, int height) => width >= Cells * CellSize(height) && height >= CellSize(height);

    /// <param name="rgb">RGB24, width * height * 3 bytes.</param>
    /// <param name="number">Its low 24 bits are drawn.</param>
    /// <exception cref="ArgumentException">The picture is too narrow (<see cref="Fits"/>).</exception>
    public static void Write(Span<byte> rgb, int width, int height, long number)
    {
        if (!Fits(width, height))
            throw new ArgumentException($"A picture of {width}x{height} has no room for the strip.");
        var side = CellSize(height);
        var first = rgb[..(Cells * side * 3)];
        for (var cell = 0; cell < Cells; cell++)
            first.Slice(cell * side * 3, side * 3).Fill(IsWhite(cell, number) ? (byte)255 : (byte)0);
        for (var y = 1; y < side; y++) first.CopyTo(rgb[(y * width * 3)..]);
    }

    /// <summary>The number in the strip; null when there is no valid strip.</summary>
    public static int? Read(ReadOnlySpan<byte> rgb, int width, int height)
    {
        if (!Fits(width, height)) return null;
        var number = 0;
        for (var cell = 2; cell < 2 + Bits; cell++)
            number = (number << 1) | (ReadCell(rgb, width, height, cell) ? 1 : 0);
        foreach (var cell in (ReadOnlySpan<int>)[0, 1, Cells - 2, Cells - 1])
            if (ReadCell(rgb, width, height, cell) != IsWhite(cell, number)) return null;
        return number;
    }

    private static bool IsWhite(int cell, long number) => cell switch
    {
        0 or Cells - 1 => true,
        1 => false,
        Cells - 2 => (long.PopCount(number & 0xFF_FFFF) & 1) == 1,
        _ => ((number >> (Bits + 1 - cell)) & 1) == 1,
    };

    // The middle of the cell, away from the neighbours that compression smears in.
    private static bool ReadCell(ReadOnlySpan<byte> rgb, int width, int height, int cell)
    {
        var side = CellSize(height);
        var (from, to, sum) = (side / 4, side - (side / 4), 0);
        for (var y = from; y < to; y++)
            foreach (var value in rgb.Slice(((y * width) + (cell * side) + from) * 3, (to - from) * 3)) sum += value;
        return sum > 127 * (to - from) * (to - from) * 3;
    }
}
