namespace Dvis.Streaming.Pipeline.Frames;

/// <summary>
/// One decoded image, packed RGB24, rows without padding: <see cref="Pixels"/> has Height*Width*3 bytes. One owner, who
/// disposes it or hands it on; disposing returns its memory to the pool.
/// </summary>
public sealed class Frame : IDisposable
{
    private readonly FramePool _pool;
    private nint _pixels;
    private FrameInfo? _info;

    internal Frame(FramePool pool, nint pixels, int width, int height, FrameInfo? info)
        => (_pool, _pixels, Width, Height, _info) = (pool, pixels, width, height, info);

    public int Width { get; }

    public int Height { get; }

    /// <summary>Camera, number and times; set once, by the source. Plain data that outlives the pixels.</summary>
    /// <exception cref="InvalidOperationException">Read before it is set, or set again.</exception>
    public FrameInfo Info
    {
        get => _info ?? throw new InvalidOperationException("The frame has no info yet.");
        set => _info = _info is null ? value : throw new InvalidOperationException("The frame has its info.");
    }

    /// <exception cref="ObjectDisposedException">The frame was disposed or handed on and disposed there.</exception>
    public unsafe Span<byte> Pixels
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pixels == 0, this);
            return new Span<byte>((void*)_pixels, Width * Height * 3);
        }
    }

    public void Dispose()
    {
        var pixels = Interlocked.Exchange(ref _pixels, 0);
        if (pixels != 0) _pool.Return(pixels, Width * Height * 3);
    }
}
