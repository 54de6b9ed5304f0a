using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>
/// Source that renders a <see cref="SyntheticScene"/>. Live, frame n belongs to the moment n / fps after the start, and
/// frames that were not read in time are skipped. Otherwise every frame comes, as fast as it is read. A frame's id is
/// the number in its strip, as long as there is one session.
/// </summary>
internal sealed class SyntheticSource(SyntheticOptions options, FramePool pool, TimeProvider time) : IRawSource
{
    private static readonly Timebase s_timebase = new(1, 90_000);

    public bool IsLive => options.Realtime;

    public IDecoderFacts? Decoder => null;

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var scene = new SyntheticScene(options);
        var began = time.GetTimestamp();
        long number = 0, skipped = 0;
        while (true)
        {
            if (options.Realtime)
            {
                skipped = Math.Max(0, (long)(time.GetElapsedTime(began).TotalSeconds * options.Fps) - number);
                number += skipped;
            }

            if (options.Frames > 0 && number >= options.Frames) yield break;
            var wait = TimeSpan.FromSeconds(number / options.Fps) - time.GetElapsedTime(began);
            if (options.Realtime && wait > TimeSpan.Zero)
                await Task.Delay(wait, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested) yield break;
            yield return Render(scene, number) with { Begins = number == skipped, Skipped = skipped };
            number++;
        }
    }

    private RawFrame Render(SyntheticScene scene, long number)
    {
        var frame = pool.Rent(options.Width, options.Height);
        scene.Render(number, frame.Pixels);
        var pts = (long)Math.Round(number * (s_timebase.Denominator / options.Fps));
        var now = time.GetUtcNow();
        var capture = new CaptureTime(now, ClockSource.Synthetic, OffsetMs: 0, ErrorMs: 0, Synced: true);
        return new RawFrame(frame, pts, s_timebase, time.GetTimestamp(), now) { Capture = capture };
    }
}
