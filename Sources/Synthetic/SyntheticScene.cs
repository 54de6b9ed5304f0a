using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// Video of moving shapes: any frame is a pure function of the options and its number. Not thread-safe (it renders into
/// buffers of its own).
/// </summary>
internal sealed class SyntheticScene
{
    private const int NoiseSize = 1 << 16;

    private readonly int _width, _height;
    private readonly ulong _seed;
    private readonly bool _strip;
    private readonly float _scale; // pixels per reference pixel
    private readonly Layer[] _layers;
    private readonly Atmosphere _atmosphere;
    private readonly float[] _canvas; // background in pixels, one pixel wider and higher than needed
    private readonly int _canvasWidth;
    private readonly float[] _image;
    private readonly float[] _noise = new float[NoiseSize];

    public SyntheticScene(SyntheticOptions options)
    {
        (_width, _height, _seed) = (options.Width, options.Height, (ulong)options.Seed);
        _strip = options.Strip && FrameStrip.Fits(_width, _height);
        _scale = _height / SceneDesigner.ReferenceHeight;
        var designer = new SceneDesigner(options);
        var (backdrop, width, height) = designer.Backdrop();
        var ground = Vector3.Zero;
        foreach (var colour in MemoryMarshal.Cast<float, Vector3>(backdrop)) ground += colour / (width * height);
        _layers = designer.Layers(ground);
        _atmosphere = designer.Atmosphere();
        _canvasWidth = _width + (int)MathF.Ceiling(2 * SceneDesigner.Margin * _scale) + 2;
        _canvas = Enlarge(backdrop, width, height);
        _image = new float[_width * _height * 3];
        var random = new SceneRandom(SceneRandom.Mix(_seed ^ 0x6E6F_6973_65));
        for (var i = 0; i < NoiseSize; i++) _noise[i] = random.Normal();
    }

    /// <summary>Paints frame <paramref name="t"/>.</summary>
    /// <param name="rgb">RGB24, width * height * 3 bytes.</param>
    public void Render(long t, Span<byte> rgb)
    {
        var offset = _atmosphere.Offset(t);
        PaintBackground(offset * _scale);
        foreach (var layer in _layers) Paint(layer, layer.At(t), offset);

        var random = new SceneRandom(SceneRandom.Mix(_seed) ^ SceneRandom.Mix((ulong)t));
        var gain = 1 + (_atmosphere.Swing * MotionPath.Wave(_atmosphere.SwingPace, 0, t))
            + (_atmosphere.Flicker * random.Between(-1, 1));
        for (var y = 0; y < _height; y++)
        {
            var noise = _noise.AsSpan(random.Integer(0, NoiseSize - _width - 1), _width);
            Develop(Row(y), noise, gain, rgb.Slice(y * _width * 3, _width * 3));
        }

        if (_strip) FrameStrip.Write(rgb, _width, _height, t);
    }

    private Span<float> Row(int y) => _image.AsSpan(y * _width * 3, _width * 3);

    // The canvas, moved by a fraction of a pixel: a weighted mean of four neighbours.
    private void PaintBackground(Vector2 offset)
    {
        var corner = (new Vector2(SceneDesigner.Margin) * _scale) - offset;
        var (left, top) = ((int)corner.X, (int)corner.Y);
        var (fx, fy) = (corner.X - left, corner.Y - top);
        for (var y = 0; y < _height; y++)
        {
            var row = Row(y);
            var upper = _canvas.AsSpan((((top + y) * _canvasWidth) + left) * 3);
            var lower = _canvas.AsSpan((((top + y + 1) * _canvasWidth) + left) * 3);
            TensorPrimitives.Multiply(upper[..row.Length], (1 - fx) * (1 - fy), row);
            TensorPrimitives.MultiplyAdd(upper.Slice(3, row.Length), fx * (1 - fy), row, row);
            TensorPrimitives.MultiplyAdd(lower[..row.Length], (1 - fx) * fy, row, row);
            TensorPrimitives.MultiplyAdd(lower.Slice(3, row.Length), fx * fy, row, row);
        }
    }

    // Paints the pixels within reach of the centre; the edge is one pixel wide.
    private void Paint(Layer layer, Placement place, Vector2 offset)
    {
        var (centre, reach) = ((place.Centre + offset) * _scale, place.Reach * _scale);
        var (unit, radius) = (place.Unit * _scale, place.Radius * _scale);
        var (top, bottom) = Limits(centre.Y, reach, _height);
        var (left, right) = Limits(centre.X, reach, _width);
        var (sin, cos) = MathF.SinCos(place.Angle);
        for (var row = top; row < bottom; row++)
        {
            var pixels = MemoryMarshal.Cast<float, Vector3>(Row(row));
            var dy = row + 0.5f - centre.Y;
            for (var column = left; column < right; column++)
            {
                var dx = column + 0.5f - centre.X;
                var (x, y) = (((dx * cos) + (dy * sin)) / unit.X, ((dy * cos) - (dx * sin)) / unit.Y);
                var cover = 0.5f - (layer.Distance(x, y) * radius);
                if (cover <= 0) continue;
                pixels[column] = Vector3.Lerp(pixels[column], layer.Colour(x, y), MathF.Min(cover, 1));
            }
        }
    }

    private static (int From, int To) Limits(float centre, float reach, int size)
        => (Math.Max(0, (int)(centre - reach - 1)), Math.Min(size, (int)MathF.Max(0, centre + reach + 2)));

    // Light and noise, which is the same for the three colours of a pixel.
    private void Develop(ReadOnlySpan<float> row, ReadOnlySpan<float> noise, float gain, Span<byte> rgb)
    {
        var pixels = MemoryMarshal.Cast<float, Vector3>(row);
        for (var x = 0; x < pixels.Length; x++)
        {
            var colour = (pixels[x] * gain) + new Vector3(noise[x] * _atmosphere.Noise);
            colour = Vector3.Clamp(colour, Vector3.Zero, new Vector3(255));
            var target = rgb.Slice(x * 3, 3);
            (target[0], target[1], target[2]) = ((byte)colour.X, (byte)colour.Y, (byte)colour.Z);
        }
    }

    private float[] Enlarge(float[] backdrop, int width, int height)
    {
        var rows = _height + (int)MathF.Ceiling(2 * SceneDesigner.Margin * _scale) + 2;
        var canvas = new float[_canvasWidth * rows * 3];
        var source = MemoryMarshal.Cast<float, Vector3>(backdrop);
        var target = MemoryMarshal.Cast<float, Vector3>(canvas.AsSpan());
        for (var row = 0; row < rows; row++)
        {
            var y = Math.Clamp(((row + 0.5f) / _scale) - 0.5f, 0, height - 1.001f);
            for (var column = 0; column < _canvasWidth; column++)
            {
                var x = Math.Clamp(((column + 0.5f) / _scale) - 0.5f, 0, width - 1.001f);
                var corner = ((int)y * width) + (int)x;
                var upper = Vector3.Lerp(source[corner], source[corner + 1], x - (int)x);
                var lower = Vector3.Lerp(source[corner + width], source[corner + width + 1], x - (int)x);
                target[(row * _canvasWidth) + column] = Vector3.Lerp(upper, lower, y - (int)y);
            }
        }

        return canvas;
    }
}
