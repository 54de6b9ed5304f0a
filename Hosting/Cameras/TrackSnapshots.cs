using Dvis.Streaming.Hosting.Pictures;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>
/// The best picture of each track of a camera: that of the frame with the largest product of score and area among
/// frames <see cref="Interval"/> apart. Frames wait for their results, as copies. Thread-safe.
/// </summary>
/// <param name="size">Longest side of a picture in pixels.</param>
internal sealed class TrackSnapshots(int size, FramePool pool)
{
    /// <summary>Tracks that may have a picture; beyond that the oldest lose theirs.</summary>
    public const int MaxTracks = 256;

    // Frames whose results do not come were lost.
    private const int MaxWaiting = 8;

    // Another picture is encoded when it is better by this factor: some ten times in the life of a track.
    private const double Better = 1.2;

    // Around the box, as a share of its larger side.
    private const float Margin = 0.15f;

    private readonly Lock _gate = new(); // around the fields below
    private readonly Queue<Frame> _waiting = new();
    private readonly OrderedDictionary<(string Epoch, long Track), Best> _best = [];
    private DateTimeOffset _last; // capture of the last copy

    /// <summary>Distance of the frames that are looked at, in time of capture.</summary>
    public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Called with each frame before it is segmented: takes a copy of one that is due.</summary>
    public void Watch(Frame frame)
    {
        var elapsed = frame.Info.Capture.Stamp - _last;
        if (elapsed >= TimeSpan.Zero && elapsed < Interval) return;
        _last = frame.Info.Capture.Stamp;
        var copy = pool.Rent(frame.Width, frame.Height, frame.Info);
        frame.Pixels.CopyTo(copy.Pixels);
        lock (_gate)
        {
            if (_waiting.Count == MaxWaiting) _waiting.Dequeue().Dispose();
            _waiting.Enqueue(copy);
        }
    }

    /// <summary>Takes the pictures of tracks that have never been seen better.</summary>
    public void Add(ProvisionalResult result)
    {
        using var frame = Take(result.Frame.FrameId);
        if (frame is null) return;
        foreach (var track in result.Tracks)
        {
            if (track.State != TrackState.Active || track.AreaPx <= 0) continue;
            // What lies partly outside of the frame is only taken for want of something better.
            var quality = track.Score * track.AreaPx * (track.Truncated ? 0.25 : 1);
            var key = (result.Epoch, track.Number);
            lock (_gate)
                if (_best.TryGetValue(key, out var known) && quality < known.Quality * Better) continue;
            var crop = CropOf(track.Box, frame.Width, frame.Height);
            var picture = PictureEncoder.Encode(frame, crop, size);
            var best = new Best(quality, new TrackSnapshot(
                result.Camera, result.Epoch, track.Number, track.ClassId, track.Score, result.Frame, track.Box,
                new Box(crop.X, crop.Y, crop.Width, crop.Height), picture.Jpeg));
            lock (_gate)
            {
                _best[key] = best;
                if (_best.Count > MaxTracks) _best.RemoveAt(0);
            }
        }
    }

    /// <returns>The picture of a track that has ended with this event; else null.</returns>
    public TrackSnapshot? Take(LifecycleEvent e)
    {
        if (e.Track is not { } number) return null;
        lock (_gate)
        {
            switch (e.Kind)
            {
                case EventKind.TrackEnded:
                    if (!_best.Remove((e.Epoch, number), out var best)) return null;
                    return best.Snapshot with { ClassId = e.ClassId ?? best.Snapshot.ClassId };
                case EventKind.TrackRetracted:
                    _best.Remove((e.Epoch, number));
                    return null;
                case EventKind.TrackIdentityChanged when e.Into is { } into:
                    Merge((e.Epoch, number), (e.Epoch, into));
                    return null;
                default:
                    return null;
            }
        }
    }

    /// <summary>Drops the frames that wait, when no more will come.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            foreach (var frame in _waiting) frame.Dispose();
            _waiting.Clear();
        }
    }

    private void Merge((string Epoch, long Track) from, (string Epoch, long Track) into)
    {
        if (!_best.Remove(from, out var best)) return;
        if (_best.TryGetValue(into, out var other) && other.Quality >= best.Quality) return;
        _best[into] = best with { Snapshot = best.Snapshot with { Track = into.Track } };
    }

    /// <summary>The copy of a frame; those of earlier frames are dropped.</summary>
    private Frame? Take(long frameId)
    {
        lock (_gate)
        {
            while (_waiting.TryPeek(out var frame) && frame.Info.FrameId <= frameId)
            {
                _waiting.Dequeue();
                if (frame.Info.FrameId == frameId) return frame;
                frame.Dispose();
            }

            return null;
        }
    }

    private static PixelRect CropOf(Box box, int width, int height)
    {
        var margin = Margin * Math.Max(box.Width, box.Height);
        var left = Math.Clamp((int)(box.X - margin), 0, width - 1);
        var top = Math.Clamp((int)(box.Y - margin), 0, height - 1);
        var right = Math.Clamp((int)Math.Ceiling(box.X + box.Width + margin), left + 1, width);
        var bottom = Math.Clamp((int)Math.Ceiling(box.Y + box.Height + margin), top + 1, height);
        return new(left, top, right - left, bottom - top);
    }

    private sealed record Best(double Quality, TrackSnapshot Snapshot);
}
