namespace Dvis.Streaming.Pipeline.Masks;

/// <summary>A decoded PNG.</summary>
/// <param name="Channels">1 gray or palette index, 2 gray and alpha, 3 RGB, 4 RGBA.</param>
/// <param name="Pixels">Row-major, [Height,Width,Channels]. Gray of fewer than 8 bits keeps its values:
/// label maps are numbers, not brightness.</param>
/// <param name="Palette">RGB of each index; null when there is none.</param>
public sealed record PngImage(int Width, int Height, int Channels, byte[] Pixels, byte[]? Palette = null);
