using System.Collections.Concurrent;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>Loops at work and since when: one that needs far too long for an item is stuck. Thread-safe.</summary>
public sealed class Heartbeats(TimeProvider time)
{
    private readonly ConcurrentDictionary<Beat, byte> _beats = new();

    /// <summary>Registers a loop; dispose the beat when the loop ends.</summary>
    public Beat Open(string camera, string stage)
    {
        var beat = new Beat(this, camera, stage);
        _beats.TryAdd(beat, 0);
        return beat;
    }

    /// <summary>Loops at one item for longer than this, as <c>camera/stage</c>, sorted.</summary>
    public IReadOnlyList<string> Stuck(TimeSpan limit) =>
        [.. _beats.Keys.Where(b => b.BusyFor(time) > limit).Select(b => $"{b.Camera}/{b.Stage}")
            .Order(StringComparer.Ordinal)];

    /// <summary>One loop: at work on an item, or waiting for the next without limit.</summary>
    public sealed class Beat : IDisposable
    {
        private const long Resting = long.MinValue;

        private readonly Heartbeats _all;
        private long _since = Resting;

        internal Beat(Heartbeats all, string camera, string stage) => (_all, Camera, Stage) = (all, camera, stage);

        internal string Camera { get; }

        internal string Stage { get; }

        internal TimeSpan BusyFor(TimeProvider time) =>
            Interlocked.Read(ref _since) is > Resting and var since ? time.GetElapsedTime(since) : TimeSpan.Zero;

        /// <summary>Passes the items on; their reader is at work from one item until it asks for the next.</summary>
        public async IAsyncEnumerable<T> Watch<T>(IAsyncEnumerable<T> items)
        {
            await using var item = items.GetAsyncEnumerator();
            while (await item.MoveNextAsync())
            {
                Interlocked.Exchange(ref _since, _all.Now);
                yield return item.Current;
                Interlocked.Exchange(ref _since, Resting);
            }
        }

        public void Dispose() => _all._beats.TryRemove(this, out _);
    }

    private long Now => time.GetTimestamp();
}
