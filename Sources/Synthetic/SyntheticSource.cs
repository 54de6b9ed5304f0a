using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// Renders a <see cref="SyntheticScene"/>. Live, it is a camera: frame n belongs to the moment n / fps after the start,
/// and moments that nobody took are gone. Otherwise every frame comes, as fast as it is taken.
/// A frame's id is the number in its strip, as long as there is one session.
/// </summary>
internal sealed class SyntheticSource(string camera, SyntheticOptions options, FramePool pool, TimeProvider time)
    : IFrameSource
{
    private static readonly Timebase s_timebase = new(1, 90_000);
    private static readonly FrameInfo s_unknown = new("", 0, 0, 0, default, 0, default, default, 0, 0);

    public string Camera => camera;

    public bool IsLive => options.Realtime;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var scene = new SyntheticScene(options);
        var began = time.GetTimestamp();
        for (long number = 0; (options.Frames == 0 || number < options.Frames)
            && !stop.IsCancellationRequested; number++)
        {
            if (options.Realtime)
            {
                number = Math.Max(number, (long)(time.GetElapsedTime(began).TotalSeconds * options.Fps));
                if (options.Frames > 0 && number >= options.Frames) yield break;
                if (!await UntilAsync(began, TimeSpan.FromSeconds(number / options.Fps), stop)) yield break;
            }

            yield return Render(scene, number);
        }
    }

    private Frame Render(SyntheticScene scene, long number)
    {
        var frame = pool.Rent(options.Width, options.Height, s_unknown);
        try
        {
            scene.Render(number, frame.Pixels);
        }
        catch
        {
            frame.Dispose();
            throw;
        }

        var now = time.GetUtcNow();
        frame.Info = new FrameInfo(
            camera, number, 0, (long)Math.Round(number * (s_timebase.Denominator / options.Fps)), s_timebase,
            time.GetTimestamp(), now,
            new CaptureTime(now, ClockSource.Synthetic, OffsetMs: 0, ErrorMs: 0, Synced: true), options.Width,
            options.Height);
        return frame;
    }

    private async ValueTask<bool> UntilAsync(long began, TimeSpan moment, CancellationToken stop)
    {
        var wait = moment - time.GetElapsedTime(began);
        if (wait <= TimeSpan.Zero) return true;
        try
        {
            await Task.Delay(wait, time, stop);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
