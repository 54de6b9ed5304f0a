namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>JPEG of a frame.</summary>
/// <param name="Width">Pixels of the picture, which may be smaller than the frame.</param>
/// <param name="Height">Pixels of the picture.</param>
internal sealed record Picture(byte[] Jpeg, int Width, int Height);
