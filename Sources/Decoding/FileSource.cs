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
    private readonly string _path = options.File ?? throw new ArgumentException("file is not set", nameof(options));

    public bool IsLive => false;

    public IDecoderFacts? Decoder { get; private set; }

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (Directory.Exists(_path)) throw new SourceException(SourceFault.Config, "The file is a folder.");
        if (!File.Exists(_path)) throw new SourceException(SourceFault.NotFound, "The file does not exist.");

        var clock = new FileClock(options.Realtime, File.GetLastWriteTimeUtc(_path), time);
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

                frame = frame with { Capture = clock.Capture(media, pass.Frames == 1) };
                yield return pacer is null
                    ? frame
                    : frame with { ReceivedTicks = time.GetTimestamp(), Received = time.GetUtcNow() };
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

    /// <summary>Clock of a file: counts from its date, or, in real time, from the start of the pass.</summary>
    private sealed class FileClock(bool realtime, DateTimeOffset modified, TimeProvider time)
    {
        private readonly bool _dated = !realtime && modified.Year >= 1990; // an older date means that there is none
        private DateTimeOffset _start;
        private TimeSpan _first;

        public CaptureTime Capture(TimeSpan media, bool firstOfPass)
        {
            if (firstOfPass) (_start, _first) = (_dated ? modified : time.GetUtcNow(), media);
            var source = _dated ? ClockSource.FileMtime : ClockSource.FilePts;
            return new CaptureTime(_start + (media - _first), source, OffsetMs: 0, ErrorMs: null, Synced: false);
        }
    }
}
