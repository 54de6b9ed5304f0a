namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// Frame number in the top left corner of a frame: 28 square cells in a row, white, black, 24 bits (most significant
/// first, white = 1), even parity of the 24 bits, white. A cell's side is max(4, height / 40) pixels. Survives video
/// compression.
/// </summary>
internal static class FrameStrip
{
    private const int Cells = 28;
    private const int Bits = 24;

    public static bool Fits(int width, int height) => width >= Cells * CellSize(height) && height >= CellSize(height);

    /// <param name="rgb">RGB24 of a frame that the strip fits.</param>
    /// <param name="number">Its low 24 bits are drawn.</param>
    public static void Write(Span<byte> rgb, int width, int height, long number)
    {
        var side = CellSize(height);
        var first = rgb[..(Cells * side * 3)];
        for (var cell = 0; cell < Cells; cell++)
            first.Slice(cell * side * 3, side * 3).Fill(IsWhite(cell, number) ? (byte)255 : (byte)0);
        for (var y = 1; y < side; y++) first.CopyTo(rgb[(y * width * 3)..]);
    }

    private static int CellSize(int height) => Math.Max(4, height / 40);

    private static bool IsWhite(int cell, long number) => cell switch
    {
        0 or Cells - 1 => true,
        1 => false,
        Cells - 2 => (long.PopCount(number & 0xFF_FFFF) & 1) == 1,
        _ => ((number >> (Bits + 1 - cell)) & 1) == 1,
    };
}
