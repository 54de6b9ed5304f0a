using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Common;
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
/// Stage from tracked frames to messages: for every frame of an epoch, in order, exactly one final result, with events.
/// Every <c>stride</c> frames the method revises the last <c>window</c> frames, and the <c>stride</c> frames before the
/// last <c>lookahead</c> are committed (window = stride, lookahead = 0: the paper's semi-online mode). Where the method
/// cuts the clips, those are committed as they end. One per camera.
/// </summary>
/// <param name="method">The caller's.</param>
/// <param name="isBehind">True when too many frames wait for this stage: then a window passes unrefined.</param>
/// <param name="maxDelay">Wait after which a frame is committed without its lookahead; null: unlimited.</param>
public sealed partial class RefineStage(
    CameraSettings settings, IVideoMethod method, CameraMetrics metrics, TimeProvider time, Func<bool> isBehind,
    TimeSpan? maxDelay, ILogger logger) : IDisposable
{
    private readonly ClipLengths _clip = method.Clip ?? new(settings.Refiner.Stride, settings.Refiner.Stride, 0);
    private readonly ClipWindow<TrackedFrame> _window = new(method.Clip?.Window ?? settings.Refiner.Stride);
    private readonly FinalReader _reader = new(settings);
    private readonly RepeatedReport _failures = new(time);
    private readonly List<EndedTrack> _ended = [];
    private readonly List<IdentityChange> _merges = [];
    private readonly HashSet<long> _retracted = [];
    private Epoch? _epoch;
    private long _nextFrame;

    /// <summary>A message counts as published when the next one is asked for.</summary>
    public async IAsyncEnumerable<PipelineMessage> RunAsync(IAsyncEnumerable<TrackedFrame> input)
    {
        var frames = input.GetAsyncEnumerator();
        var next = frames.MoveNextAsync().AsTask();
        try
        {
            while (true)
            {
                while (!await ArrivesInTimeAsync(next))
                    foreach (var message in Commit(_window.Pending, FinalReason.Deadline)) yield return message;
                if (!await next) break;
                foreach (var message in Add(frames.Current)) yield return message;
                next = frames.MoveNextAsync().AsTask();
            }

            foreach (var message in EndEpoch()) yield return message;
        }
        finally
        {
            _window.Clear();
            // After a failure a read may be pending: closing the link ends it.
            if (next.IsCompleted) await frames.DisposeAsync();
        }
    }

    public void Dispose() => _window.Dispose();

    /// <summary>Waits for the next frame or the end; false when a frame must be committed before.</summary>
    private async ValueTask<bool> ArrivesInTimeAsync(Task next)
    {
        while (maxDelay is { } limit && _window.Pending > 0 && !next.IsCompleted)
        {
            var left = limit - Waited();
            if (left <= TimeSpan.Zero) return false;
            // Whichever is first, the loop checks again.
            using var enough = new CancellationTokenSource();
            await Task.WhenAny(next, Task.Delay(left, time, enough.Token));
            await enough.CancelAsync();
        }

        return true;
    }

    private TimeSpan Waited() => time.GetElapsedTime(_window.Frames[^_window.Pending].Tracked);

    private IEnumerable<PipelineMessage> Add(TrackedFrame frame)
    {
        var kept = false;
        try
        {
            if (frame.Epoch != _epoch)
                foreach (var message in EndEpoch()) yield return message;
            if (_epoch is null) (_epoch, _nextFrame) = (frame.Epoch, frame.Info.FrameId);
            // The method has ended the clip before, which only its age can cause inside an epoch.
            if (frame.Queries.ClipPlace == 1 && _window.Pending > 0)
                foreach (var message in Commit(_window.Pending, FinalReason.Deadline)) yield return message;
            _window.Add(frame);
            kept = true;
        }
        finally
        {
            if (!kept) frame.Dispose();
        }

        // Published here, after the last final of the epoch before.
        if (frame.Reset is { } reason) yield return Event(EventKind.TrackerReset, frame.Info, null, null, null, reason);
        _ended.AddRange(frame.Ended);
        _merges.AddRange(frame.Merges);
        var (count, why) = IsDue(frame) ? (Math.Min(_clip.Stride, _window.Pending), FinalReason.None)
            : maxDelay is { } limit && Waited() >= limit ? (_window.Pending, FinalReason.Deadline)
            : (0, FinalReason.None);
        if (count == 0) yield break;
        foreach (var message in Commit(count, why)) yield return message;
    }

    /// <summary>True when frames can be committed after this one, with their lookahead.</summary>
    private bool IsDue(TrackedFrame frame) => frame.Queries.ClipPlace > 0
        ? frame.Queries.ClipPlace == _clip.Stride
        : _window.Pending == _clip.Stride + _clip.Lookahead;

    private IEnumerable<PipelineMessage> EndEpoch()
    {
        if (_epoch is null) yield break;
        if (_window.Pending > 0)
            foreach (var message in Commit(_window.Pending, _epoch.EndReason)) yield return message;
        _ended.AddRange(_epoch.Ended);
        foreach (var message in Finalize(long.MaxValue)) yield return message;
        _window.Clear();
        _ended.Clear();
        _merges.Clear();
        _retracted.Clear();
        _epoch = null;
    }

    private IEnumerable<PipelineMessage> Commit(int count, FinalReason reason)
    {
        var result = Decide(count, reason);
        yield return result;
        _epoch!.FinalThrough = result.LastFrame;
        foreach (var message in Retract(result)) yield return message;
        foreach (var message in Finalize(result.LastFrame)) yield return message;
    }

    private FinalResult Decide(int count, FinalReason reason)
    {
        var started = time.GetTimestamp();
        var first = _window.Frames.Count - _window.Pending;
        TrackedFrame[] frames = [.. _window.Frames.Skip(first).Take(count)];
        var last = frames[^1];
        var (kind, why, reading) = Read(first, count, reason);
        var merges = _merges.Where(m => m.AtFrame <= last.Info.FrameId).ToImmutableArray();
        _merges.RemoveAll(m => m.AtFrame <= last.Info.FrameId);
        var elapsed = time.GetElapsedTime(started);
        if (kind == FinalKind.Refined) metrics.StageDuration("refine", elapsed.TotalSeconds);
        var result = new FinalResult(
            metrics.Camera, _epoch!.Id, _nextFrame, last.Info.FrameId, [.. frames.Select(f => f.Info)], kind, why,
            reading.Tracks, reading.Retracted, merges,
            last.Provisional.Latency with { Refine = elapsed.TotalMilliseconds })
        {
            Scene = reading.Scene,
        };
        foreach (var frame in frames) frame.MaskFeatures.Dispose();
        _window.Commit(count);
        _nextFrame = result.LastFrame + 1;
        Measure(result);
        return result;
    }

    private (FinalKind Kind, FinalReason Reason, FinalReading Reading) Read(int first, int count, FinalReason reason)
    {
        if (method.Clip is null) return Repeat(FinalReason.Disabled);
        if (isBehind())
        {
            return settings.Refiner.OnOverload == OverloadPolicy.Skip
                ? (FinalKind.Skipped, FinalReason.Overload, new([], [], null))
                : Repeat(FinalReason.Overload);
        }

        try
        {
            using var revision = method.Revise([.. _window.Frames.Select(f => f.Queries)]);
            return (FinalKind.Refined, reason, _reader.Read(_window.Frames, first, count, revision));
        }
        catch (ModelException e)
        {
            // The provisional results stand: a final without refinement beats a camera without finals.
            if (_failures.Pass()) LogRefinerFailed(metrics.Camera, e);
            return Repeat(FinalReason.Error);
        }

        (FinalKind, FinalReason, FinalReading) Repeat(FinalReason why)
            => (FinalKind.Passthrough, why, _reader.Read(_window.Frames, first, count, revision: null));
    }

    private void Measure(FinalResult result)
    {
        metrics.WindowFinal(EnumName.Of(result.Kind), result.Frames[^1].Received.ToUnixTimeMilliseconds() / 1000.0);
        metrics.FramesProcessed("final", result.Frames.Length);
        if (result.Retracted.Length > 0) metrics.TrackRevised("retract", result.Retracted.Length);
        if (result.Identity.Length > 0) metrics.TrackRevised("merge", result.Identity.Length);
        var classes = result.Tracks.Count(t => t.ProvisionalClassId is not null);
        if (classes > 0) metrics.TrackRevised("class", classes);
    }

    /// <summary>One <c>retracted</c> event per retracted track, not per window.</summary>
    private IEnumerable<LifecycleEvent> Retract(FinalResult result)
    {
        foreach (var track in result.Tracks) _retracted.Remove(track.Number);
        foreach (var number in result.Retracted.Where(_retracted.Add))
            yield return Event(EventKind.TrackRetracted, result.Frames[^1], number, null, null);
    }

    private IEnumerable<LifecycleEvent> Finalize(long throughFrame)
    {
        foreach (var track in _ended.Where(e => e.LastFrameId <= throughFrame).ToArray())
        {
            _ended.Remove(track);
            _retracted.Remove(track.Identity.Number);
            if (!track.Identity.Announced) continue;
            // The class of its finals, and the votes for it.
            var votes = track.Identity.Revised;
            var summary = votes is null ? track.Summary : track.Summary with { ClassVotes = votes.Ranked };
            yield return Event(
                EventKind.TrackFinalized, null, track.Identity.Number, votes?.ClassId ?? track.ClassId, summary);
        }
    }

    private LifecycleEvent Event(
        EventKind kind, FrameInfo? frame, long? track, int? classId, TrackSummary? summary, string? reason = null)
        => new(
            metrics.Camera, _epoch!.Id, _epoch.NextEvent(), kind,
            frame?.Capture.Stamp ?? summary?.Last ?? time.GetUtcNow(), track, classId, summary?.MaxScore, frame, reason,
            summary);

    [LoggerMessage(2101, LogLevel.Error, "Camera {Camera}: the refiner failed; the window passes unrefined.")]
    private partial void LogRefinerFailed(string camera, Exception e);
}
