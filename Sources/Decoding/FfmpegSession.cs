using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding.Nut;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>One run of ffmpeg; disposing ends the child.</summary>
internal sealed class FfmpegSession : IFrameSession
{
    // Takes milliseconds, unless the machine is overloaded.
    private static readonly TimeSpan s_logTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_codecTimeout = TimeSpan.FromSeconds(1);

    private readonly FfmpegProcess _process;
    private readonly NutReader _nut;
    private readonly long _ptsOffset;
    private readonly FramePool _pool;
    private readonly TimeProvider _time;
    private (int Width, int Height, int Bytes) _size;
    private SourceException? _cut;

    private FfmpegSession(FfmpegProcess process, FfmpegLog log, long ptsOffset, FramePool pool, TimeProvider time)
        => (_process, Log, _nut, _ptsOffset, _pool, _time) =
            (process, log, new NutReader(process.Output), ptsOffset, pool, time);

    public FfmpegLog Log { get; }

    public IDecoderFacts Facts => Log;

    public long Frames { get; private set; }

    /// <param name="ptsOffset">Ticks that <paramref name="arguments"/> make ffmpeg add to every timestamp.</param>
    /// <param name="input">Text for <c>pipe:0</c>.</param>
    /// <exception cref="SourceException">ffmpeg is missing.</exception>
    public static async Task<FfmpegSession> StartAsync(
        string program, IReadOnlyList<string> arguments, Redactor redactor, string camera, FramePool pool,
        TimeProvider time, long ptsOffset = 0, string input = "")
    {
        var log = new FfmpegLog(redactor);
        var process = await FfmpegProcess.StartAsync(program, arguments, log, $"ffmpeg {camera}", time, input);
        return new FfmpegSession(process, log, ptsOffset, pool, time);
    }

    public async Task<RawFrame?> ReadAsync(CancellationToken stop)
    {
        Frame? frame = null;
        try
        {
            if (await _nut.ReadHeaderAsync(stop) is not { } header) return null;
            var begins = header.Bytes != _size.Bytes;
            if (begins) await ChangeSizeAsync(header.Bytes, stop);
            else CheckShape();
            frame = _pool.Rent(_size.Width, _size.Height);
            await _nut.ReadPayloadAsync(new PixelMemory(frame).Memory, stop);
            Frames++;
            var result = new RawFrame(
                frame, header.Pts - _ptsOffset, _nut.Video!.Timebase, _time.GetTimestamp(), _time.GetUtcNow())
            { Begins = begins };
            frame = null;
            return result;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
        catch (SourceException e) when (e.Fault == SourceFault.Eof)
        {
            _cut = e;
            return null;
        }
        finally
        {
            frame?.Dispose();
        }
    }

    public async Task<SourceException?> EndAsync()
    {
        int code;
        try
        {
            code = await _process.Exited.WaitAsync(s_logTimeout, _time);
        }
        catch (TimeoutException)
        {
            return new SourceException(SourceFault.Stalled, "The decoder closed its output but did not end.");
        }

        if (code == 0 && _cut is null && Log.DecodeErrors == 0 && Frames > 0) return null;
        if (code > 128)
            return new SourceException(SourceFault.DecodeErrors, $"The decoder died (signal {code - 128}).");
        return Log.Judge(Frames, Frames == 0 ? "There is no frame in it." : $"The decoder ended with code {code}.");
    }

    public async ValueTask DisposeAsync() => await _process.DisposeAsync();

    // The NUT header has the first size only; the log has the later ones, and may be a moment behind the frames.
    private async Task ChangeSizeAsync(int bytes, CancellationToken stop)
    {
        var (width, height) = (_nut.Video!.Width, _nut.Video.Height);
        if (_size.Bytes == 0 && bytes == width * height * 3)
        {
            // The codec is reported with the first frame. The log has it by now, but is read by another thread.
            await WaitAsync(() => Log.Codec is not null, s_codecTimeout, stop);
        }
        else
        {
            const int largest = NutStreamHeader.LargestSide;
            (int Width, int Height)? announced = null;
            if (!await WaitAsync(() => (announced = Log.TakeSize(bytes)) is not null, s_logTimeout, stop)
                || Turned(announced!.Value) is not { Width: <= largest, Height: <= largest } size)
                throw NutFault.Malformed($"a frame of {bytes} bytes in a stream of {width}x{height}");
            (width, height) = size;
        }

        _size = (width, height, bytes);
    }

    private async Task<bool> WaitAsync(Func<bool> condition, TimeSpan limit, CancellationToken stop)
    {
        for (var began = _time.GetTimestamp(); !condition();)
        {
            if (_time.GetElapsedTime(began) >= limit) return false;
            await Task.Delay(TimeSpan.FromMilliseconds(1), _time, stop);
        }

        return true;
    }

    // 640x480 turned into 480x640 has as many bytes, and the first frame of it cannot be found: the session fails.
    private void CheckShape()
    {
        while (Log.NextSize is { } next && (long)next.Width * next.Height * 3 == _size.Bytes)
        {
            var (width, height) = Turned(next);
            if (width != _size.Width)
                throw new SourceException(SourceFault.DecodeErrors,
                    $"The frame changed its shape from {_size.Width}x{_size.Height} to {width}x{height}.");
            Log.TakeSize(_size.Bytes);
        }
    }

    // The log has sizes before the rotation that a file may ask for; the first size shows whether one is made.
    private (int Width, int Height) Turned((int Width, int Height) size)
    {
        var turned = Log.FirstSize is { } first && first.Width != first.Height
            && (first.Height, first.Width) == (_nut.Video!.Width, _nut.Video.Height);
        return turned ? (size.Height, size.Width) : size;
    }
}
