namespace Dvis.Streaming.Pipeline.Tests.Sources.Synthetic;

/// <summary>Reader of the frame number that rendered frames carry.</summary>
internal static class StripReader
{
    private const int Cells = 28;
    private const int Bits = 24;

    /// <summary>The number in the strip; null when there is no valid strip.</summary>
    public static int? Read(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var side = Math.Max(4, height / 40);
        var cells = new bool[Cells];
        for (var cell = 0; cell < Cells; cell++) cells[cell] = IsWhite(rgb, width, side, cell);
        var number = 0;
        foreach (var bit in cells.AsSpan(2, Bits)) number = (number << 1) | (bit ? 1 : 0);
        var parity = (int.PopCount(number) & 1) == 1;
        return cells is [true, false, ..] && cells[^2] == parity && cells[^1] ? number : null;
    }

    // The middle of the cell, away from the neighbours that compression smears in.
    private static bool IsWhite(ReadOnlySpan<byte> rgb, int width, int side, int cell)
    {
        var (from, to, sum) = (side / 4, side - (side / 4), 0);
        for (var y = from; y < to; y++)
            foreach (var value in rgb.Slice(((y * width) + (cell * side) + from) * 3, (to - from) * 3)) sum += value;
        return sum > 127 * (to - from) * (to - from) * 3;
    }
}
