using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding.Nut;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>One run of ffmpeg; disposing ends the child.</summary>
internal sealed class FfmpegSession : IFrameSession
{
    // takes milliseconds, unless the machine is swamped
    private static readonly TimeSpan s_logTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_codecTimeout = TimeSpan.FromSeconds(1);
    private static readonly FrameInfo s_unknown = new("", 0, 0, 0, default, 0, default, default, 0, 0);

    private readonly FfmpegProcess _process;
    private readonly NutReader _nut;
    private readonly string _camera;
    private readonly long _ptsOffset;
    private readonly FramePool _pool;
    private readonly TimeProvider _time;
    private (int Width, int Height, int Bytes) _size;
    private int _sizeChanges;
    private SourceException? _cut;

    private FfmpegSession(FfmpegProcess process, FfmpegLog log, string camera, long ptsOffset, FramePool pool,
        TimeProvider time)
        => (_process, Log, _nut, _camera, _ptsOffset, _pool, _time) =
            (process, log, new NutReader(process.Output), camera, ptsOffset, pool, time);

    public FfmpegLog Log { get; }

    public IDecoderFacts Facts => Log;

    public long Frames { get; private set; }

    /// <param name="ptsOffset">What <paramref name="arguments"/> make ffmpeg add to every timestamp, in ticks.</param>
    /// <exception cref="SourceException">ffmpeg is missing.</exception>
    public static async Task<FfmpegSession> StartAsync(
        string program, IReadOnlyList<string> arguments, Redactor redactor, string camera, FramePool pool,
        TimeProvider time, long ptsOffset = 0)
    {
        var log = new FfmpegLog(redactor);
        var process = await FfmpegProcess.StartAsync(program, arguments, log, $"ffmpeg {camera}", time);
        return new FfmpegSession(process, log, camera, ptsOffset, pool, time);
    }

    public async Task<Frame?> ReadAsync(CancellationToken stop)
    {
        Frame? frame = null;
        try
        {
            if (await _nut.ReadHeaderAsync(stop) is not { } header) return null;
            if (header.Bytes != _size.Bytes) await ChangeSizeAsync(header.Bytes, stop);
            else CheckShape();
            frame = _pool.Rent(_size.Width, _size.Height, s_unknown);
            await _nut.ReadPayloadAsync(new PixelMemory(frame).Memory, stop);
            var received = _time.GetUtcNow();
            frame.Info = new FrameInfo(
                _camera, Frames++, _sizeChanges, header.Pts - _ptsOffset, _nut.Video!.Timebase, _time.GetTimestamp(),
                received,
                new CaptureTime(received, ClockSource.Arrival, OffsetMs: 0, ErrorMs: null, Synced: false), _size.Width,
                _size.Height);
            (var result, frame) = (frame, null);
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
        return Log.Judge(Frames, Frames == 0 ? "There is no picture in it." : $"The decoder ended with code {code}.");
    }

    public async ValueTask DisposeAsync() => await _process.DisposeAsync();

    // The NUT header has the first size only; later ones are told by the log,
    // which may be a moment behind the pictures.
    private async Task ChangeSizeAsync(int bytes, CancellationToken stop)
    {
        var video = _nut.Video!;
        if (_size.Bytes == 0 && bytes == video.Width * video.Height * 3)
        {
            // Who hears of the first picture asks what it is: the log has said so, and is read by a thread of its own.
            for (var asked = _time.GetTimestamp(); Log.Codec is null && _time.GetElapsedTime(asked) < s_codecTimeout;)
                await Task.Delay(TimeSpan.FromMilliseconds(1), _time, stop);
            _size = (video.Width, video.Height, bytes);
            return;
        }

        var began = _time.GetTimestamp();
        while (_time.GetElapsedTime(began) < s_logTimeout)
        {
            if (Announced(bytes)
                is { Width: <= NutStreamHeader.LargestSide, Height: <= NutStreamHeader.LargestSide } size)
            {
                if (_size.Bytes != 0) _sizeChanges++;
                _size = (size.Width, size.Height, bytes);
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10), _time, stop);
        }

        throw NutFault.Malformed($"a picture of {bytes} bytes in a stream of {video.Width}x{video.Height}");
    }

    // 640x480 turned into 480x640 has as many bytes, and which picture was the first cannot be told: begin again.
    private void CheckShape()
    {
        if (Announced(_size.Bytes) is { } size && size.Width != _size.Width)
            throw new SourceException(SourceFault.DecodeErrors,
                $"The picture changed its shape from {_size.Width}x{_size.Height} to {size.Width}x{size.Height}.");
    }

    // The log tells sizes before the rotation that a file may ask for; whether one is made shows in the first size.
    private (int Width, int Height)? Announced(int bytes)
    {
        if (Log.FindSize(bytes) is not { } size || Log.FirstSize is not { } first) return null;
        var turned = first.Width != first.Height
            && (first.Height, first.Width) == (_nut.Video!.Width, _nut.Video.Height);
        return turned ? (size.Height, size.Width) : size;
    }
}
