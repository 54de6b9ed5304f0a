using Dvis.Streaming.Pipeline.Frames;
using SkiaSharp;

namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>Part of a frame in source pixels.</summary>
internal readonly record struct PixelRect(int X, int Y, int Width, int Height);

/// <summary>Encoder of frames as JPEG, scaled down. Thread-safe.</summary>
internal static class PictureEncoder
{
    // Largest width or height of the picture of a whole frame, in pixels.
    private const int LongestSide = 960;

    // Of 0 … 100. At 80 a frame of street.mp4 takes about 80 KB, and artefacts do not show at the size of a card.
    private const int Quality = 80;

    private static readonly SKSamplingOptions s_sampling = new(SKFilterMode.Linear, SKMipmapMode.Linear);

    public static Picture Encode(Frame frame) =>
        Encode(frame, new(0, 0, frame.Width, frame.Height), LongestSide);

    /// <param name="part">Part of the frame that the picture shows, inside of it.</param>
    /// <param name="longestSide">Largest width or height of the picture in pixels; it is never scaled up.</param>
    public static Picture Encode(Frame frame, PixelRect part, int longestSide)
    {
        using var full = Bitmap(part.Width, part.Height);
        var pixels = full.GetPixelSpan();
        var source = frame.Pixels;
        for (var y = 0; y < part.Height; y++)
        {
            var row = source.Slice(((part.Y + y) * frame.Width + part.X) * 3, part.Width * 3);
            PictureKernels.Expand(row, pixels.Slice(y * full.RowBytes, part.Width * 4));
        }

        var (width, height) = SizeOf(part.Width, part.Height, longestSide);
        if ((width, height) == (part.Width, part.Height)) return Encode(full);
        using var scaled = Bitmap(width, height);
        full.ScalePixels(scaled, s_sampling);
        return Encode(scaled);
    }

    public static Picture Encode(SKBitmap bitmap)
    {
        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, Quality);
        return new(data.ToArray(), bitmap.Width, bitmap.Height);
    }

    private static (int Width, int Height) SizeOf(int width, int height, int longestSide)
    {
        var scale = Math.Min(1, longestSide / (double)Math.Max(width, height));
        return (Math.Max(1, (int)Math.Round(width * scale)), Math.Max(1, (int)Math.Round(height * scale)));
    }

    private static SKBitmap Bitmap(int width, int height) =>
        new(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
}
