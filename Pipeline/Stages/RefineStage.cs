using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Stages;

/// <summary>
/// The last stage: slides a clip over the tracked frames and publishes, for every frame of an epoch and in order, exactly one
/// final result. Every <c>stride</c> frames the refiner runs over the last <c>window</c> frames and commits <c>stride</c> frames that
/// lie <c>lookahead</c> frames back (window = stride, lookahead = 0: the paper's semi-online mode). One per camera.
/// </summary>
public sealed partial class RefineStage : IDisposable
{
    private readonly CameraContext _camera;
    private readonly Func<bool> _isBehind;
    private readonly ILogger _logger;
    private readonly ClipWindow<TrackedFrame> _window;
    private readonly FinalTracks _tracks;
    private readonly bool _refines;
    private readonly int _stride, _lookahead;
    private readonly List<EndedTrack> _ended = [];
    private readonly List<IdentityChange> _merges = [];
    private readonly HashSet<long> _retracted = [];
    private readonly TimeSpan? _maxDelay;
    private readonly OncePerSecond _failures;
    private Epoch? _epoch;
    private long _nextFrame;

    /// <param name="isBehind">True when frames pile up before this stage: then a window passes unrefined.</param>
    /// <param name="maxDelay">A frame that has waited this long is committed with what there is, also when no more frames come; null: it waits.</param>
    public RefineStage(CameraContext camera, Func<bool> isBehind, TimeSpan? maxDelay, ILogger logger)
    {
        (_camera, _isBehind, _maxDelay, _logger) = (camera, isBehind, maxDelay, logger);
        _refines = camera.Models.Refiner is not null;
        _stride = camera.Refiner.Stride;
        _lookahead = _refines ? camera.Refiner.Lookahead : 0;
        _window = new ClipWindow<TrackedFrame>(_refines ? camera.Refiner.Window : _stride, camera.Models, camera.Tensors);
        _tracks = new FinalTracks(camera);
        _failures = new OncePerSecond(camera.Time);
    }

    public async Task RunAsync(IAsyncEnumerable<TrackedFrame> input)
    {
        var frames = input.GetAsyncEnumerator();
        var next = Task.FromResult(true);
        try
        {
            next = frames.MoveNextAsync().AsTask();
            while (await ArrivesAsync(next))
            {
                await AddAsync(frames.Current);
                next = frames.MoveNextAsync().AsTask();
            }

            if (_epoch is not null) await EndEpochAsync();
        }
        finally
        {
            _window.Clear();
            // After a failure the next frame may still be awaited: closing the link ends that wait.
            if (next.IsCompleted) await frames.DisposeAsync();
        }
    }

    public void Dispose() => _window.Dispose();

    /// <summary>Waits for the next frame, and commits what has waited too long meanwhile; false at the end.</summary>
    private async ValueTask<bool> ArrivesAsync(Task<bool> next)
    {
        while (_maxDelay is { } limit && _window.Pending > 0 && !next.IsCompleted)
        {
            var left = limit - Waited();
            if (left > TimeSpan.Zero)
            {
                // Timer and frame race: either way the loop looks again.
                using var enough = new CancellationTokenSource();
                await Task.WhenAny(next, Task.Delay(left, _camera.Time, enough.Token));
                await enough.CancelAsync();
            }
            else await CommitAsync(_window.Pending, FinalReason.Deadline);
        }

        return await next;
    }

    private async ValueTask AddAsync(TrackedFrame frame)
    {
        try
        {
            if (_epoch is not null && frame.Epoch != _epoch) await EndEpochAsync();
        }
        catch
        {
            frame.Dispose();
            throw;
        }

        if (_epoch is null) (_epoch, _nextFrame) = (frame.Epoch, frame.Info.FrameId);
        _window.Add(frame);
        if (frame.Reset is { } reason) await TellResetAsync(frame.Info, reason);
        _ended.AddRange(frame.Ended);
        _merges.AddRange(frame.Merges);
        if (_window.Pending == _stride + _lookahead) await CommitAsync(_stride, FinalReason.None);
        else if (_maxDelay is { } limit && Waited() >= limit) await CommitAsync(_window.Pending, FinalReason.Deadline);
    }

    /// <summary>Said here and not where the epoch began, so that it comes after the last final of the one before.</summary>
    private ValueTask TellResetAsync(FrameInfo frame, string reason) => _camera.Publisher.PublishAsync(new LifecycleEvent(
        _camera.Camera, _epoch!.Id, _epoch.NextEvent(), EventKind.TrackerReset, frame.Capture.Stamp, null, null, null, frame, reason, null));

    private TimeSpan Waited() => _camera.Time.GetElapsedTime(_window.Frames[^_window.Pending].Tracked);

    private async ValueTask EndEpochAsync()
    {
        if (_window.Pending > 0) await CommitAsync(_window.Pending, _epoch!.EndReason);
        _ended.AddRange(_epoch!.Ended);
        await FinalizeAsync(long.MaxValue);
        _window.Clear();
        _ended.Clear();
        _merges.Clear();
        _retracted.Clear();
        _epoch = null;
    }

    private async ValueTask CommitAsync(int count, FinalReason reason)
    {
        var started = _camera.Time.GetTimestamp();
        var first = _window.Frames.Count - _window.Pending;
        var frames = _window.Frames.Skip(first).Take(count).Select(f => f.Info).ToImmutableArray();
        var (kind, why, tracks) = Decide(first, count, reason);
        var retracted = kind == FinalKind.Refined ? Retracted(first, count, tracks) : [];
        var merges = _merges.Where(m => m.AtFrame <= frames[^1].FrameId).ToImmutableArray();
        _merges.RemoveAll(m => m.AtFrame <= frames[^1].FrameId);
        var elapsed = _camera.Time.GetElapsedTime(started);
        if (kind == FinalKind.Refined) _camera.Metrics.StageDuration("refine", elapsed.TotalSeconds);
        var result = new FinalResult(
            _camera.Camera, _epoch!.Id, _nextFrame, frames[^1].FrameId, frames, kind, why, tracks, retracted, merges,
            _window.Frames[first + count - 1].Latency with { Refine = elapsed.TotalMilliseconds })
        {
            Scene = kind == FinalKind.Skipped ? null : _tracks.Scene,
        };
        _window.Commit(count);
        _nextFrame = frames[^1].FrameId + 1;
        Measure(result);
        await _camera.Publisher.PublishAsync(result);
        _epoch.FinalThrough = frames[^1].FrameId;
        await RetractAsync(result);
        await FinalizeAsync(frames[^1].FrameId);
    }

    private (FinalKind Kind, FinalReason Reason, ImmutableArray<FinalTrack> Tracks) Decide(int first, int count, FinalReason reason)
    {
        if (!_refines) return (FinalKind.Passthrough, FinalReason.Disabled, _tracks.FromShown(_window, first, count));
        if (_isBehind())
        {
            return _camera.Refiner.OnOverload == OverloadPolicy.Skip
                ? (FinalKind.Skipped, FinalReason.Overload, [])
                : (FinalKind.Passthrough, FinalReason.Overload, _tracks.FromShown(_window, first, count));
        }

        try
        {
            using var clip = _window.Refine();
            return (FinalKind.Refined, reason, _tracks.FromRefiner(_window, clip, first, count));
        }
        catch (ModelException e)
        {
            // What the tracker said still stands: a final without refinement beats a camera without finals.
            if (_failures.Pass()) LogRefinerFailed(_camera.Camera, e);
            return (FinalKind.Passthrough, FinalReason.Error, _tracks.FromShown(_window, first, count));
        }
    }

    /// <summary>Tracks that were shown in these frames and are visible in none of them now.</summary>
    private ImmutableArray<long> Retracted(int first, int count, ImmutableArray<FinalTrack> tracks)
    {
        var gone = new SortedSet<long>();
        for (var t = first; t < first + count; t++)
            foreach (var shown in _window.Frames[t].Shown) gone.Add(FinalTracks.Resolve(_window.Frames[t], shown.Number));
        foreach (var track in tracks) gone.Remove(track.Number);
        return [.. gone];
    }

    private void Measure(FinalResult result)
    {
        var name = result.Kind switch { FinalKind.Refined => "refined", FinalKind.Passthrough => "passthrough", _ => "skipped" };
        _camera.Metrics.WindowFinal(name, result.Frames[^1].Received.ToUnixTimeMilliseconds() / 1000.0);
        _camera.Metrics.FramesProcessed("final", result.Frames.Length);
        if (result.Retracted.Length > 0) _camera.Metrics.TrackRevised("retract", result.Retracted.Length);
        if (result.Identity.Length > 0) _camera.Metrics.TrackRevised("merge", result.Identity.Length);
        var classes = result.Tracks.Count(t => t.ProvisionalClassId is not null);
        if (classes > 0) _camera.Metrics.TrackRevised("class", classes);
    }

    /// <summary>One <c>retracted</c> event when a track falls, not one a window.</summary>
    private async ValueTask RetractAsync(FinalResult result)
    {
        foreach (var track in result.Tracks) _retracted.Remove(track.Number);
        foreach (var number in result.Retracted)
            if (_retracted.Add(number)) await SendAsync(EventKind.TrackRetracted, number, null, result, null);
    }

    private async ValueTask FinalizeAsync(long throughFrame)
    {
        foreach (var track in _ended.Where(e => e.LastFrameId <= throughFrame).ToArray())
        {
            _ended.Remove(track);
            _retracted.Remove(track.Identity.Number);
            if (track.Identity.Announced) await SendAsync(EventKind.TrackFinalized, track.Identity.Number, track.ClassId, null, track.Summary);
        }
    }

    private ValueTask SendAsync(EventKind kind, long number, int? classId, FinalResult? result, TrackSummary? summary)
        => _camera.Publisher.PublishAsync(new LifecycleEvent(
            _camera.Camera, _epoch!.Id, _epoch.NextEvent(), kind, result?.Frames[^1].Capture.Stamp ?? summary?.Last ?? _camera.Time.GetUtcNow(),
            number, classId, summary?.MaxScore, result?.Frames[^1], null, summary));

    [LoggerMessage(2101, LogLevel.Error, "Camera {Camera}: the refiner failed; the window passes unrefined.")]
    private partial void LogRefinerFailed(string camera, Exception e);
}
