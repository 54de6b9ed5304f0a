using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Video file: every frame that decodes, once per pass, in order, with the container's timestamps. Nothing is dropped:
/// a slow reader slows the decoder.
/// </summary>
internal sealed class FileSource(SourceOptions options, Func<Task<IFrameSession>> open, TimeProvider time) : IRawSource
{
    public bool IsLive => false;

    public IDecoderFacts? Decoder { get; private set; }

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var path = options.File!;
        if (Directory.Exists(path)) throw new SourceException(SourceFault.Config, "The file is a folder.");
        if (!File.Exists(path)) throw new SourceException(SourceFault.NotFound, "The file does not exist.");

        // Capture times count from the file's date, or in real time, and without one, from the start of the pass.
        DateTimeOffset modified = File.GetLastWriteTimeUtc(path), start = default;
        var isDated = !options.Realtime && modified.Year >= 1990; // an older date means that there is none
        var source = isDated ? ClockSource.FileMtime : ClockSource.FilePts;
        var first = TimeSpan.Zero;
        var pacer = options.Realtime ? new MediaPacer(time) : null;
        do
        {
            await using var pass = await open();
            Decoder = pass.Facts;
            pacer?.Reset();
            while (await pass.ReadAsync(stop) is { } frame)
            {
                var media = Media(frame);
                if (pacer is not null && !await pacer.WaitAsync(media, stop))
                {
                    frame.Frame.Dispose();
                    break;
                }

                if (pass.Frames == 1) (start, first) = (isDated ? modified : time.GetUtcNow(), media);
                var stamp = start + (media - first);
                yield return frame with
                {
                    ReceivedTicks = time.GetTimestamp(), // of a paced frame, the moment when it is due
                    Received = time.GetUtcNow(),
                    Capture = new CaptureTime(stamp, source, OffsetMs: 0, ErrorMs: null, Synced: false),
                };
            }

            if (stop.IsCancellationRequested) yield break;
            var fault = await pass.EndAsync();
            if (fault is not null && (!options.Loop || pass.Frames == 0)) throw fault;
        }
        while (options.Loop);
    }

    private static TimeSpan Media(RawFrame frame)
    {
        // Timestamps of damaged files may be anything; beyond 300 years they do not count.
        var seconds = frame.Timebase.ToSeconds(frame.Pts);
        return Math.Abs(seconds) < 1e10 ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;
    }
}
