using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Decoding.Nut;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>
/// Session of one <see cref="VideoCapture"/>, with the thread that opens, reads and closes it. A call that does not
/// return in time leaves the thread behind: it holds no frame of the pool, and closes the capture after the call.
/// </summary>
internal sealed class OpenCvSession : IFrameSession, IDecoderFacts
{
    private static readonly Timebase s_timebase = new(1, ICaptureInput.TicksPerSecond);

    // A read takes as long as a frame, at most; a device at five frames per second needs 200 ms.
    private static readonly TimeSpan s_endTimeout = TimeSpan.FromSeconds(1);

    private readonly ICaptureInput _input;
    private readonly Action<Task> _abandon;
    private readonly FramePool _pool;
    private readonly TimeProvider _time;
    private readonly FfmpegLog _log = new(new Redactor());
    private readonly SemaphoreSlim _wanted = new(0);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _closing;

    // Written by the reader before it asks, completed by the thread.
    private volatile TaskCompletionSource<RawFrame?> _answer = new();
    private bool _asked;

    // Written by the thread before it answers.
    private string? _codec;
    private double? _nominalFps;
    private Mat? _image;
    private TimeSpan _lastRead;

    /// <param name="abandon">Called when the thread is left behind, with the task of its end.</param>
    public OpenCvSession(string camera, ICaptureInput input, Action<Task> abandon, FramePool pool, TimeProvider time)
    {
        (_input, _abandon, _pool, _time) = (input, abandon, pool, time);
        new Thread(Run) { IsBackground = true, Name = $"opencv {camera}" }.Start();
    }

    public IDecoderFacts Facts => this;

    public string? Codec => _codec;

    public double? NominalFps => _nominalFps;

    public long DecodeErrors => _log.DecodeErrors;

    public long Frames { get; private set; }

    public async Task<RawFrame?> ReadAsync(CancellationToken stop)
    {
        _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked = true;
        _wanted.Release();
        try
        {
            var frame = await _answer.Task.WaitAsync(stop);
            _asked = false;
            if (frame is not null) Frames++;
            return frame;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
    }

    public Task<SourceException?> EndAsync() => Task.FromResult(_input.End(_log, Frames, _lastRead));

    public async ValueTask DisposeAsync()
    {
        _closing = true;
        _wanted.Release();
        if (_asked) _ = DisposeLateAsync(_answer.Task);
        try
        {
            await _ended.Task.WaitAsync(s_endTimeout, _time);
        }
        catch (TimeoutException)
        {
            _abandon(_ended.Task);
        }
    }

    private static async Task DisposeLateAsync(Task<RawFrame?> answer)
    {
        try
        {
            (await answer)?.Frame.Dispose();
        }
        catch (Exception)
        {
            // The session has ended, and with it the need for its fault.
        }
    }

    private void Run()
    {
        FfmpegMessages.Log = _log;
        VideoCapture? capture = null;
        try
        {
            while (Next())
            {
                try
                {
                    capture ??= Open();
                    _answer.SetResult(Read(capture));
                }
                catch (Exception e)
                {
                    _answer.SetException(e); // the reader judges it
                }
            }

            capture?.Dispose();
            _image?.Dispose();
        }
        catch (OpenCVException)
        {
            // The capture does not close; the thread ends all the same.
        }
        finally
        {
            _ended.SetResult();
        }
    }

    private bool Next()
    {
        _wanted.Wait();
        return !_closing;
    }

    private VideoCapture Open()
    {
        var capture = new VideoCapture();
        if (_input.Open(capture))
        {
            _codec = capture.FourCC.Trim('\0', ' ').ToLowerInvariant() is { Length: > 0 } codec ? codec : null;
            _nominalFps = capture.Fps is > 0 and < 1000 and var fps ? fps : null;
        }

        return capture;
    }

    private RawFrame? Read(VideoCapture capture)
    {
        var image = _image ??= new Mat();
        var asked = _time.GetTimestamp();
        if (!capture.IsOpened() || !capture.Read(image) || _closing)
        {
            _lastRead = _time.GetElapsedTime(asked);
            return null;
        }

        var (ticks, received) = (_time.GetTimestamp(), _time.GetUtcNow());
        var (width, height) = (image.Width, image.Height);
        const int largest = NutStreamHeader.LargestSide;
        if (image.Type() != MatType.CV_8UC3 || width is < 1 or > largest || height is < 1 or > largest)
        {
            var found = $"{width}x{height} of type {image.Type()}";
            throw new SourceException(SourceFault.CodecUnsupported, $"A frame of {found} is not supported.");
        }

        var pts = _input.Pts(capture);
        return new RawFrame(Copy(image), pts, s_timebase, ticks, received) { Begins = Frames == 0 };
    }

    private unsafe Frame Copy(Mat image)
    {
        var frame = _pool.Rent(image.Width, image.Height);
        try
        {
            fixed (byte* pixels = frame.Pixels)
            {
                using var rgb = Mat.FromPixelData(image.Height, image.Width, MatType.CV_8UC3, (nint)pixels);
                Cv2.CvtColor(image, rgb, ColorConversionCodes.BGR2RGB);
            }

            return frame;
        }
        catch
        {
            frame.Dispose();
            throw;
        }
    }
}
