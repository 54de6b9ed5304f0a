using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Supervision;

/// <summary>A raw source that does in each session what the test wrote down; after the last it is silent.</summary>
internal sealed class ScriptedSource(FramePool pool, bool live, params Func<ScriptedSource.Session, Task>[] sessions)
    : IRawSource
{
    private int _next;

    public bool IsLive => live;

    public IDecoderFacts? Decoder { get; set; }

    public long Packets { get; set; }

    /// <summary>Frames that each session loses before its first.</summary>
    public long Skipped { get; init; }

    /// <summary>Sessions begun.</summary>
    public int Begun => Volatile.Read(ref _next);

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        var number = Interlocked.Increment(ref _next) - 1;
        var script = number < sessions.Length ? sessions[number] : session => session.SilenceAsync();
        for (var i = 0; ; i++)
        {
            var session = new Session(i, stop);
            try
            {
                await script(session);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                yield break;
            }

            if (session.Over) yield break;
            yield return Some.RawFrame(pool, 4, 2, i) with { Skipped = i == 0 ? Skipped : 0 };
        }
    }

    /// <summary>One step of a session: returning delivers a frame.</summary>
    internal sealed class Session(int frame, CancellationToken stop)
    {
        /// <summary>Frames delivered so far in this session.</summary>
        public int Frame => frame;

        public bool Over { get; private set; }

        public Task EndAsync()
        {
            Over = true;
            return Task.CompletedTask;
        }

        public Task SilenceAsync() => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop);
    }

    /// <summary>So many frames, then this failure; an end when there is none.</summary>
    public static Func<Session, Task> Frames(int count, SourceFault? then = null) => session =>
        session.Frame < count ? Task.CompletedTask
        : then is { } fault ? throw new SourceException(fault, "as written")
        : session.EndAsync();

    public static Func<Session, Task> FramesThenSilence(int count) =>
        session => session.Frame < count ? Task.CompletedTask : session.SilenceAsync();
}
