using System.Collections.Concurrent;

namespace Dvis.Streaming.Pipeline.Flow;

/// <summary>Which loops there are and since when each is busy:
/// a loop that takes far too long over one item is stuck. Thread-safe.</summary>
public sealed class Heartbeats(TimeProvider time)
{
    private readonly ConcurrentDictionary<Beat, byte> _beats = new();

    /// <summary>A loop begins; dispose it when the loop ends.</summary>
    public Beat Open(string camera, string stage)
    {
        var beat = new Beat(this, camera, stage);
        _beats.TryAdd(beat, 0);
        return beat;
    }

    /// <summary>Loops that have been at one item for longer than <paramref name="patience"/>,
    /// as <c>camera/stage</c>, sorted.</summary>
    public IReadOnlyList<string> Stuck(TimeSpan patience) =>
        [.. _beats.Keys.Where(b => b.BusyFor > patience).Select(b => $"{b.Camera}/{b.Stage}")
            .Order(StringComparer.Ordinal)];

    /// <summary>One loop: at work on an item, or waiting for the next, which may take for ever.</summary>
    public sealed class Beat : IDisposable
    {
        private const long Resting = long.MinValue;

        private readonly Heartbeats _all;
        private long _since = Resting;

        internal Beat(Heartbeats all, string camera, string stage) => (_all, Camera, Stage) = (all, camera, stage);

        public string Camera { get; }

        public string Stage { get; }

        internal TimeSpan BusyFor =>
            Interlocked.Read(ref _since) is > Resting and var since ? _all.Time.GetElapsedTime(since) : TimeSpan.Zero;

        /// <summary>The items, one at a time;
        /// whoever reads them is at work from getting one until asking for the next.</summary>
        public async IAsyncEnumerable<T> Watch<T>(IAsyncEnumerable<T> items)
        {
            await using var item = items.GetAsyncEnumerator();
            while (await item.MoveNextAsync())
            {
                Interlocked.Exchange(ref _since, _all.Time.GetTimestamp());
                yield return item.Current;
                Interlocked.Exchange(ref _since, Resting);
            }
        }

        public void Dispose() => _all._beats.TryRemove(this, out _);
    }

    private TimeProvider Time => time;
}
