using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// A video of moving shapes that is known exactly: any frame is a pure function of the options and its number, and so
/// is the truth about it. Not thread-safe (it renders into buffers of its own).
/// </summary>
public sealed class SyntheticScene
{
    private const int NoiseSize = 1 << 16;
    private const int SmallestArea = 16; // reference pixels: an object of which less can be seen is not there
    private const float Solid = 0.5f; // coverage from which a pixel belongs to an object

    private readonly int _width, _height;
    private readonly ulong _seed;
    private readonly bool _strip;
    private readonly float _scale;
    private readonly Layer[] _layers;
    private readonly Atmosphere _atmosphere;
    private readonly float[] _canvas; // background at the picture's scale, one pixel wider and higher than needed
    private readonly int _canvasWidth;
    private readonly float[] _picture;
    private readonly float[] _noise = new float[NoiseSize];

    public SyntheticScene(SyntheticOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_width, _height, _seed) = (options.Width, options.Height, (ulong)options.Seed);
        _strip = options.Strip && FrameStrip.Fits(_width, _height);
        _scale = _height / SceneDesigner.ReferenceHeight;
        var builder = new SceneDesigner(options);
        var (backdrop, width, height) = builder.Backdrop();
        var ground = Vector3.Zero;
        foreach (var colour in MemoryMarshal.Cast<float, Vector3>(backdrop)) ground += colour / (width * height);
        _layers = builder.Layers(ground);
        _atmosphere = builder.Atmosphere();
        _canvasWidth = _width + (int)MathF.Ceiling(2 * SceneDesigner.Margin * _scale) + 2;
        _canvas = Enlarge(backdrop, width, height);
        _picture = new float[_width * _height * 3];
        var random = new SceneRandom(SceneRandom.Mix(_seed ^ 0x6E6F_6973_65));
        for (var i = 0; i < NoiseSize; i++) _noise[i] = random.Normal();
    }

    /// <summary>Objects in the scene, numbered from 1; <see cref="Instances"/> uses these numbers.</summary>
    public int Objects => _layers.OfType<Thing>().Count();

    /// <summary>Paints frame <paramref name="t"/>.</summary>
    /// <param name="rgb">RGB24, width * height * 3 bytes.</param>
    public void Render(long t, Span<byte> rgb)
    {
        var offset = _atmosphere.Offset(t) * _scale;
        PaintBackground(offset);
        foreach (var layer in _layers) Paint(layer, t, offset, _picture, default);

        var random = new SceneRandom(SceneRandom.Mix(_seed) ^ SceneRandom.Mix((ulong)t));
        var gain = 1 + (_atmosphere.Swing * MotionPath.Wave(_atmosphere.SwingPace, 0, t))
            + (_atmosphere.Flicker * random.Between(-1, 1));
        for (var y = 0; y < _height; y++)
        {
            var noise = _noise.AsSpan(random.Integer(0, NoiseSize - _width - 1), _width);
            SceneKernels.Develop(_picture.AsSpan(y * _width * 3, _width * 3), noise, gain, _atmosphere.Noise,
                rgb.Slice(y * _width * 3, _width * 3));
        }

        if (_strip) FrameStrip.Write(rgb, _width, _height, t);
    }

    /// <summary>Whose pixel is whose in frame <paramref name="t"/>, [height, width]: 0 nobody's,
    /// n the n-th object's.</summary>
    public byte[] Instances(long t)
    {
        var ids = new byte[_width * _height];
        var offset = _atmosphere.Offset(t) * _scale;
        foreach (var layer in _layers) Paint(layer, t, offset, default, ids);
        if (_strip)
        {
            var cell = FrameStrip.CellSize(_height);
            for (var y = 0; y < cell; y++) ids.AsSpan(y * _width, FrameStrip.Cells * cell).Clear();
        }

        var areas = new int[256];
        foreach (var id in ids) areas[id]++;
        foreach (ref var id in ids.AsSpan())
            if (areas[id] < SmallestArea * _scale * _scale) id = 0;
        return ids;
    }

    /// <summary>What is to be seen in frame <paramref name="t"/>, by number.</summary>
    /// <param name="instances"><see cref="Instances"/> of the same frame.</param>
    public ImmutableArray<SyntheticObject> Truth(long t, ReadOnlySpan<byte> instances)
    {
        var found = ImmutableArray.CreateBuilder<SyntheticObject>();
        foreach (var thing in _layers.OfType<Thing>().OrderBy(thing => thing.Number))
        {
            int left = _width, top = _height, right = -1, bottom = -1, area = 0;
            for (var y = 0; y < _height; y++)
            {
                var row = instances.Slice(y * _width, _width);
                var first = row.IndexOf((byte)thing.Number);
                if (first < 0) continue;
                (left, right) = (Math.Min(left, first), Math.Max(right, row.LastIndexOf((byte)thing.Number)));
                (top, bottom) = (Math.Min(top, y), y);
                area += row.Count((byte)thing.Number);
            }

            if (area > 0)
                found.Add(new SyntheticObject(thing.Number, thing.Shape,
                    new Box(left, top, right - left + 1, bottom - top + 1), area));
        }

        return found.ToImmutable();
    }

    private void PaintBackground(Vector2 offset)
    {
        var corner = (new Vector2(SceneDesigner.Margin) * _scale) - offset;
        var (left, top) = ((int)corner.X, (int)corner.Y);
        for (var y = 0; y < _height; y++)
        {
            var upper = _canvas.AsSpan((((top + y) * _canvasWidth) + left) * 3, (_width + 1) * 3);
            var lower = _canvas.AsSpan((((top + y + 1) * _canvasWidth) + left) * 3, (_width + 1) * 3);
            SceneKernels.Shift(upper, lower, corner.X - left, corner.Y - top,
                _picture.AsSpan(y * _width * 3, _width * 3));
        }
    }

    private void Paint(Layer layer, long t, Vector2 offset, Span<float> picture, Span<byte> ids)
    {
        switch (layer)
        {
            case Thing thing:
                var radius = thing.Radius * (1 + (thing.Swell * MotionPath.Wave(thing.SwellPace, 0, t))) * _scale;
                var turned = (float)Math.IEEERemainder(thing.Angle + ((double)thing.Spin * t), Math.Tau);
                var stretch = MathF.Sqrt(thing.Stretch);
                Fill(
                    (thing.Path.At(t) * _scale) + offset, 1.2f * radius * MathF.Max(thing.Stretch, 1 / thing.Stretch),
                    turned,
                    new Vector2(1 / (radius * stretch), stretch / radius), picture, ids, new ThingBrush(thing, radius));
                break;
            case Occluder bar:
                Fill((bar.Centre * _scale) + offset, bar.Half.Length() * _scale, bar.Angle, new Vector2(1 / _scale),
                    picture, ids, new BarBrush(bar, _scale));
                break;
        }
    }

    // Paints the pixels within reach of a centre, in the brush's own coordinates (turned by the angle, scaled by unit).
    private void Fill<TBrush>(Vector2 centre, float reach, float angle, Vector2 unit, Span<float> picture,
        Span<byte> ids, TBrush brush)
        where TBrush : struct, IBrush
    {
        var (top, bottom) =
            (Math.Max(0, (int)(centre.Y - reach - 1)), Math.Min(_height, (int)MathF.Max(0, centre.Y + reach + 2)));
        var (left, right) =
            (Math.Max(0, (int)(centre.X - reach - 1)), Math.Min(_width, (int)MathF.Max(0, centre.X + reach + 2)));
        var (sin, cos) = MathF.SinCos(angle);
        for (var row = top; row < bottom; row++)
        {
            var dy = row + 0.5f - centre.Y;
            for (var column = left; column < right; column++)
            {
                var dx = column + 0.5f - centre.X;
                var (x, y) = (((dx * cos) + (dy * sin)) * unit.X, ((dy * cos) - (dx * sin)) * unit.Y);
                var cover = brush.Cover(x, y);
                if (cover <= 0) continue;
                var pixel = (row * _width) + column;
                if (!ids.IsEmpty && cover >= Solid) ids[pixel] = brush.Number;
                if (picture.IsEmpty) continue;
                var target = picture.Slice(pixel * 3, 3);
                var below = new Vector3(target);
                (below + (MathF.Min(cover, 1) * (brush.Colour(x, y) - below))).CopyTo(target);
            }
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

    private interface IBrush
    {
        byte Number { get; }

        /// <summary>0 or less outside, 1 or more inside, between on the soft edge, which is one pixel wide.</summary>
        float Cover(float x, float y);

        Vector3 Colour(float x, float y);
    }

    private readonly struct ThingBrush(Thing thing, float radius) : IBrush
    {
        public byte Number => (byte)thing.Number;

        public float Cover(float x, float y) => 0.5f - (ShapeGeometry.Distance(thing.Shape, x, y) * radius);

        public Vector3 Colour(float x, float y) => thing.Texture.Colour(x, y);
    }

    private readonly struct BarBrush(Occluder bar, float scale) : IBrush
    {
        public byte Number => 0;

        public float Cover(float x, float y) =>
            0.5f - (MathF.Max(MathF.Abs(x) - bar.Half.X, MathF.Abs(y) - bar.Half.Y) * scale);

        public Vector3 Colour(float x, float y) => bar.Texture.Colour(x / 20, y / 20);
    }
}

/// <summary>An object as it can be seen in one frame.</summary>
/// <param name="Number">Its number in the scene, 1, 2, …: the true identity.</param>
/// <param name="Box">Tight around the visible pixels.</param>
/// <param name="Area">Visible pixels.</param>
public readonly record struct SyntheticObject(int Number, Shape Shape, Box Box, int Area);
