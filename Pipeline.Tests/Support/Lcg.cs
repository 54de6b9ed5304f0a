namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Noise that any language can repeat in three lines, for references computed elsewhere.</summary>
internal static class Lcg
{
    public static void Fill(Span<byte> target, uint state = 1)
    {
        foreach (ref var value in target)
        {
            state = state * 1664525 + 1013904223;
            value = (byte)(state >> 24);
        }
    }
}
