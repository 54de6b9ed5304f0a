using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// A video file: every frame that decodes, once, in order, with the container's timestamps; nothing is dropped, a slow
/// reader is waited for. Passes of a looped file and stretches of one picture size are sessions of their own.
/// </summary>
internal sealed class FileSource(
    string camera, SourceOptions options, Func<Task<IFrameSession>> open, SourceFacts facts, TimeProvider time)
    : IFrameSource
{
    // older dates mean that there is none
    private static readonly DateTimeOffset s_oldest = new(1990, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly string _path = options.File ?? throw new ArgumentException("file is not set", nameof(options));

    public string Camera => camera;

    public bool IsLive => false;

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (Directory.Exists(_path)) throw new SourceException(SourceFault.Config, "The file is a folder.");
        if (!File.Exists(_path)) throw new SourceException(SourceFault.NotFound, "The file does not exist.");

        var clock = new FileClock(options.Realtime, File.GetLastWriteTimeUtc(_path), time);
        var pacer = options.Realtime ? new MediaPacer(time) : null;
        var (id, session) = (0L, 0);
        do
        {
            await using var pass = await open();
            var firstSession = session;
            pacer?.Reset();
            while (await pass.ReadAsync(stop) is { } frame)
            {
                facts.Update(pass.Facts);
                var media = Media(frame.Info);
                if (pacer is not null && !await pacer.WaitAsync(media, stop))
                {
                    frame.Dispose();
                    break;
                }

                var (received, ticks) = pacer is null
                    ? (frame.Info.Received, frame.Info.ReceivedTicks)
                    : (time.GetUtcNow(), time.GetTimestamp());
                session = firstSession + frame.Info.Session;
                frame.Info = frame.Info with
                {
                    FrameId = id++,
                    Session = session,
                    Received = received,
                    ReceivedTicks = ticks,
                    Capture = clock.Capture(media, pass.Frames == 1),
                };
                yield return frame;
            }

            if (stop.IsCancellationRequested) yield break;
            var fault = await pass.EndAsync();
            facts.Update(pass.Facts);
            if (fault is not null && (!options.Loop || pass.Frames == 0)) throw fault;
            session++;
        }
        while (options.Loop);
    }

    private static TimeSpan Media(FrameInfo info)
    {
        // Timestamps of damaged files may be anything; a TimeSpan holds 29,000 years.
        var seconds = info.Timebase.ToSeconds(info.Pts);
        return Math.Abs(seconds) < 9e11 ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;
    }

    /// <summary>Estimates when a file's pictures were taken: from its date, or, played at its own speed,
    /// from the start of the run.</summary>
    private sealed class FileClock(bool realtime, DateTimeOffset modified, TimeProvider time)
    {
        private readonly bool _dated = !realtime && modified > s_oldest;
        private DateTimeOffset _start;
        private TimeSpan _first;

        public CaptureTime Capture(TimeSpan media, bool firstOfPass)
        {
            if (firstOfPass) (_start, _first) = (_dated ? modified : time.GetUtcNow(), media);
            var elapsed = media - _first;
            var room = elapsed > TimeSpan.Zero ? DateTimeOffset.MaxValue - _start : _start - DateTimeOffset.MinValue;
            var stamp = elapsed.Duration() < room ? _start + elapsed : _start;
            return new CaptureTime(stamp, _dated
                ? ClockSource.FileMtime
                : ClockSource.FilePts, OffsetMs: 0, ErrorMs: null, Synced: false);
        }
    }
}
