namespace Dvis.Streaming.Pipeline.Memory;

/// <summary>Shapes for checks and messages; -1 is a side that may be anything.</summary>
internal static class TensorShape
{
    public static bool Fits(ReadOnlySpan<long> wanted, ReadOnlySpan<long> found)
    {
        if (wanted.Length != found.Length) return false;
        for (var i = 0; i < wanted.Length; i++)
            if (wanted[i] >= 0 && found[i] >= 0 && wanted[i] != found[i]) return false;
        return true;
    }

    public static string Text(IEnumerable<long> shape) =>
        $"[{string.Join(',', shape.Select(s => s < 0 ? "?" : s.ToString(System.Globalization.CultureInfo.InvariantCulture)))}]";
}
