using Dvis.Streaming.Pipeline.Frames;
using SkiaSharp;

namespace Dvis.Streaming.Hosting.Page.Pictures;

/// <summary>Encoder of frames as JPEG, scaled down to at most <see cref="LongestSide"/>. Thread-safe.</summary>
internal static class PictureEncoder
{
    /// <summary>Largest width or height of a picture in pixels.</summary>
    public const int LongestSide = 960;

    // Of 0 … 100. At 80 a frame of street.mp4 takes about 80 KB, and artefacts do not show at the size of a card.
    private const int Quality = 80;

    private static readonly SKSamplingOptions s_sampling = new(SKFilterMode.Linear, SKMipmapMode.Linear);

    /// <summary>Size of the picture of a frame, in pixels.</summary>
    public static (int Width, int Height) SizeOf(int width, int height)
    {
        var scale = Math.Min(1, LongestSide / (double)Math.Max(width, height));
        return (Math.Max(1, (int)Math.Round(width * scale)), Math.Max(1, (int)Math.Round(height * scale)));
    }

    public static Picture Encode(Frame frame)
    {
        using var full = Bitmap(frame.Width, frame.Height);
        PictureKernels.Expand(frame.Pixels, full.GetPixelSpan());
        var (width, height) = SizeOf(frame.Width, frame.Height);
        if ((width, height) == (frame.Width, frame.Height)) return Encode(full);
        using var scaled = Bitmap(width, height);
        full.ScalePixels(scaled, s_sampling);
        return Encode(scaled);
    }

    public static Picture Encode(SKBitmap bitmap)
    {
        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, Quality);
        return new(data.ToArray(), bitmap.Width, bitmap.Height);
    }

    private static SKBitmap Bitmap(int width, int height) =>
        new(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
}
