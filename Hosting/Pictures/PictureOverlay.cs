using SkiaSharp;

namespace Dvis.Streaming.Hosting.Pictures;

/// <summary>Outline of an object, to be drawn.</summary>
/// <param name="Color"><c>#rrggbb</c>.</param>
/// <param name="Polygons">In source pixels: x0,y0,x1,y1,…</param>
/// <param name="Box">x, y, width, height in source pixels; drawn where there is no polygon.</param>
internal sealed record Outline(string Color, double[][] Polygons, double[]? Box);

/// <summary>Painter of outlines on pictures. It has no text: the library is built without fonts. Thread-safe.</summary>
internal static class PictureOverlay
{
    private const byte FillAlpha = 80;
    private const float LineWidth = 2;

    /// <param name="frameWidth">Source pixels.</param>
    public static Picture Draw(Picture picture, IEnumerable<Outline> outlines, int frameWidth)
    {
        using var bitmap = SKBitmap.Decode(picture.Jpeg);
        using var canvas = new SKCanvas(bitmap);
        var scale = (float)picture.Width / frameWidth;
        canvas.Scale(scale);
        foreach (var outline in outlines) Draw(canvas, outline, LineWidth / scale);
        canvas.Flush();
        return PictureEncoder.Encode(bitmap);
    }

    private static void Draw(SKCanvas canvas, Outline outline, float lineWidth)
    {
        var color = SKColor.Parse(outline.Color);
        using var path = PathOf(outline);
        using var fill = new SKPaint { Color = color.WithAlpha(FillAlpha), IsAntialias = true };
        using var line = new SKPaint
        {
            Color = color,
            IsAntialias = true,
            Style = SKPaintStyle.Stroke,
            StrokeWidth = lineWidth,
        };
        if (outline.Polygons.Length > 0) canvas.DrawPath(path, fill);
        canvas.DrawPath(path, line);
    }

    private static SKPath PathOf(Outline outline)
    {
        using var builder = new SKPathBuilder();
        foreach (var polygon in outline.Polygons)
        {
            SKPoint[] points = [.. polygon.Chunk(2).Select(p => new SKPoint((float)p[0], (float)p[1]))];
            builder.AddPoly(points, close: true);
        }

        if (outline is { Polygons.Length: 0, Box: [var x, var y, var width, var height] })
            builder.AddRect(SKRect.Create((float)x, (float)y, (float)width, (float)height));
        return builder.Detach();
    }
}
