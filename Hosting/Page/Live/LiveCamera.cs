using System.Collections.Immutable;
using System.Globalization;
using Dvis.Streaming.Hosting.Pictures;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>
/// Frames of a camera for its viewers. While there are any, some frames are sampled before they are segmented; a sample
/// is shown when its provisional result and its picture are there, and revised when its final result is. Thread-safe.
/// </summary>
internal sealed partial class LiveCamera(
    string name, bool images, FramePool pool, RunState state, TimeProvider time, ILogger logger)
{
    // At the highest rate, for 12 s: longer than the longest delay of a final result by default, and its way to a page.
    private const int MaxPictures = 120;
    private const long MaxBytes = 24 << 20;

    // Samples whose result does not come belong to frames that were lost.
    private const int MaxSamples = 32;

    private readonly PictureRing _pictures = new(MaxPictures, MaxBytes);
    private readonly Lock _gate = new(); // around the next two; held shortly, because the pipeline waits for it
    private readonly SortedDictionary<long, Sample> _samples = [];
    private long _last = -1; // number of the last sample
    private readonly Lock _showing = new(); // around what follows; frames are shown one after the other
    private readonly SortedDictionary<long, ShownFrame> _shown = [];
    private readonly TrackViews _views = new();

    private long _interval, _due; // timestamps; the second is the pipeline's
    private bool _encoding, _failed;
    private long _encoded;

    public CameraHistory History { get; } = new(time);

    /// <summary>Pictures encoded so far.</summary>
    public long Encoded => Interlocked.Read(ref _encoded);

    /// <summary>Those that want this camera. Frames are sampled at the rate of the most demanding one.</summary>
    public ImmutableArray<LiveViewer> Viewers
    {
        get;
        set
        {
            lock (_showing)
            {
                field = value;
                var interval = value.IsEmpty ? 0 : (long)(time.TimestampFrequency / value.Max(v => v.Fps));
                Volatile.Write(ref _interval, interval);
                if (!value.IsEmpty) return;
                lock (_gate) _samples.Clear();
                _pictures.Clear();
                _shown.Clear();
            }
        }
    } = [];

    public Picture? Find(long frame) => _pictures.Find(frame);

    /// <summary>Called by the pipeline: takes a copy of a frame that is due.</summary>
    public void Watch(Frame frame)
    {
        var interval = Volatile.Read(ref _interval);
        if (interval == 0 || Volatile.Read(ref _encoding)) return;
        var now = time.GetTimestamp();
        if (now < _due) return;
        // On a grid, so that the rate is right; a pause starts another grid.
        _due = Math.Max(_due + interval, now + interval / 2);
        var sample = new Sample();
        Add(frame.Info.FrameId, sample);
        if (!images)
        {
            sample.HasPicture = true;
            return;
        }

        Volatile.Write(ref _encoding, true);
        var copy = pool.Rent(frame.Width, frame.Height, frame.Info);
        frame.Pixels.CopyTo(copy.Pixels);
        _ = Task.Run(() => Encode(copy, sample));
    }

    public void Publish(ProvisionalResult result)
    {
        if (state.Model is { } model) History.Add(result, model.Manifest);
        lock (_showing)
        {
            if (Find(result.Frame) is not { } sample) return;
            (sample.Result, sample.Arrived) = (result, time.GetTimestamp());
            ShowIfReady(sample);
        }
    }

    public void Publish(FinalResult result)
    {
        var now = time.GetTimestamp();
        lock (_showing)
        {
            if (Viewers.IsEmpty) return;
            foreach (var frame in result.Frames)
            {
                if (Find(frame) is { } sample) (sample.Final, sample.FinalArrived) = (result, now);
                else if (_shown.Remove(frame.FrameId, out var shown)) Revise(shown, result, now);
            }
        }
    }

    private void Encode(Frame frame, Sample sample)
    {
        Picture? picture = null;
        try
        {
            using (frame) picture = PictureEncoder.Encode(frame);
            Interlocked.Increment(ref _encoded);
        }
        catch (Exception e) // the page continues without pictures, and the pipeline is not affected
        {
            if (!_failed) LogFailed(name, e);
            _failed = true;
        }

        lock (_showing)
        {
            if (picture is not null && !Viewers.IsEmpty) _pictures.Add(frame.Info.FrameId, picture);
            (sample.Picture, sample.HasPicture) = (picture, true);
            ShowIfReady(sample);
        }

        Volatile.Write(ref _encoding, false);
    }

    private void Add(long frame, Sample sample)
    {
        lock (_gate)
        {
            // With another configuration of the camera numbers start at 1 again.
            if (frame <= _last)
            {
                _samples.Clear();
                _pictures.Clear();
            }

            _last = frame;
            if (_samples.Count == MaxSamples) _samples.Remove(_samples.Keys.First());
            _samples.Add(frame, sample);
        }
    }

    private Sample? Find(FrameInfo frame)
    {
        lock (_gate) return _samples.GetValueOrDefault(frame.FrameId);
    }

    private void ShowIfReady(Sample sample)
    {
        if (sample is not { HasPicture: true, Result: { } result } || state.Model is not { } model) return;
        var (frame, epoch) = (result.Frame, result.Epoch);
        lock (_gate) _samples.Remove(frame.FrameId);
        if (Viewers.IsEmpty) return;
        TrackView[] tracks =
        [
            .. result.Tracks.Select(t => _views.Of(
                model.Manifest, epoch, t.Number, t.ClassId, t.Score, t.State, t.Box, t.Mask,
                (frame.Width, frame.Height))),
        ];
        var json = LiveJson.Write(Document(result, sample, tracks));
        var shown = new ShownFrame(result, sample.Arrived, sample.Picture, tracks, json);
        if (_shown.Count > 0 && frame.FrameId <= _shown.Keys.Last()) _shown.Clear();
        if (_shown.Count == MaxPictures) _shown.Remove(_shown.Keys.First());
        _shown.Add(frame.FrameId, shown);
        foreach (var viewer in Viewers) viewer.Show(shown);
        if (sample.Final is not { } final) return;
        _shown.Remove(frame.FrameId);
        Revise(shown, final, sample.FinalArrived);
    }

    private FrameDocument Document(ProvisionalResult result, Sample sample, TrackView[] tracks)
    {
        var (frame, latency) = (result.Frame, result.Latency);
        var age = frame.Age(time, sample.Arrived);
        var queue = Math.Max(0, age.TotalMilliseconds - latency.Sum);
        var picture = string.Create(
            CultureInfo.InvariantCulture, $"/api/v1/cameras/{name}/frames/{frame.FrameId}.jpg");
        return new(
            name, frame.FrameId, result.Epoch, frame.Capture.Stamp.UtcDateTime, frame.Width, frame.Height,
            sample.Picture is null ? null : picture,
            LiveJson.Milliseconds(frame.CaptureAge(time, sample.Arrived) ?? age),
            new(LiveJson.Tenths(queue), Tenths(latency.Segment), Tenths(latency.Track)), tracks);

        static double? Tenths(double? value) => value is { } v ? LiveJson.Tenths(v) : null;
    }

    private void Revise(ShownFrame shown, FinalResult final, long now)
    {
        if (!Viewers.Any(v => v.Revises) || state.Model is not { } model || final.Epoch != shown.Result.Epoch) return;
        var delay = time.GetElapsedTime(shown.Arrived, now);
        var json = LiveJson.Write(FrameRevision.Of(shown, final, delay, model.Manifest, _views));
        foreach (var viewer in Viewers)
            if (viewer.Revises) viewer.Revise(shown, json);
    }

    /// <summary>Frame that waits for its picture and its result.</summary>
    private sealed class Sample
    {
        public bool HasPicture { get; set; } // it is there, or will not come

        public Picture? Picture { get; set; }

        public ProvisionalResult? Result { get; set; }

        public long Arrived { get; set; }

        public FinalResult? Final { get; set; }

        public long FinalArrived { get; set; }
    }

    [LoggerMessage(4601, LogLevel.Error, "Camera {Camera}: the page has no pictures of it: encoding failed.")]
    private partial void LogFailed(string camera, Exception e);
}
