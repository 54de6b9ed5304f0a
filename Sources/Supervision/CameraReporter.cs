using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sources.Decoding;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>Reporter of a camera's status: on every change, then also in the log, and every few seconds.</summary>
internal sealed partial class CameraReporter(
    IRawSource source, SourceMetrics metrics, TimeProvider time, ILogger logger, Action<CameraStatus> onStatus)
{
    // The first rate is reported soon, the others every ten seconds.
    private static readonly TimeSpan s_firstRefresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(10);

    // A failure that stays the same is logged again after these pauses.
    private readonly Backoff _repeats = new(
        new() { Initial = TimeSpan.FromMinutes(1), Max = TimeSpan.FromHours(1), Jitter = 0 }, Random.Shared);

    private CameraStatus? _last;
    private long _logged;
    private TimeSpan _repeat;
    private FrameInfo? _lastFrame;
    private double _fps;
    private IDecoderFacts? _decoder;
    private long _decoderErrors; // of the decoder, as far as they are counted
    private long _periodBegan, _periodFrames, _periodErrors;
    private TimeSpan _period;

    public void Starting() => Change(CameraState.Starting, SourceFault.Ok);

    /// <summary>Packets arrive, but none of them could be decoded yet.</summary>
    public void Undecoded() => Change(CameraState.Starting, SourceFault.Ok, "packets arrive, no key frame yet");

    /// <param name="first">First frame of its connection.</param>
    public void Received(Frame frame, bool first)
    {
        _lastFrame = frame.Info;
        metrics.Received(frame);
        CountErrors();
        if (first)
        {
            Begin(s_firstRefresh);
            Change(CameraState.Online, SourceFault.Ok);
        }
        else
        {
            _periodFrames++;
            if (time.GetElapsedTime(_periodBegan) >= _period) Refresh();
        }
    }

    /// <summary>The camera's timestamps are not used for the rest of the session.</summary>
    public void ClockIsUnreliable() => LogClockUnreliable(metrics.Camera);

    /// <summary>Reports the end of a session.</summary>
    /// <param name="attempt">Connections that failed since the last frame.</param>
    /// <param name="retry">Pause before the next connection; null: there is none.</param>
    /// <param name="failed">True when the source has failed for good.</param>
    public void Offline(
        SourceFault reason, string? detail = null, int attempt = 0, TimeSpan? retry = null, bool failed = false)
    {
        CountErrors();
        metrics.Clock(null);
        _fps = 0;
        Change(CameraState.Offline, reason, detail, attempt, retry, failed);
    }

    private void Refresh()
    {
        _fps = _periodFrames / time.GetElapsedTime(_periodBegan).TotalSeconds;
        var detail = $"{_periodErrors} decode errors within {_period.TotalSeconds:0} s";
        if (_periodErrors > 0) Change(CameraState.Degraded, SourceFault.DecodeErrors, detail);
        else Change(CameraState.Online, SourceFault.Ok);
        Begin(s_refresh);
    }

    private void Begin(TimeSpan period)
        => (_period, _periodBegan, _periodFrames, _periodErrors) = (period, time.GetTimestamp(), 0, 0);

    // A decoder may have reported errors after its last frame: they are counted when the next one has taken over.
    private void CountErrors()
    {
        AddErrors();
        if (source.Decoder == _decoder) return;
        (_decoder, _decoderErrors) = (source.Decoder, 0);
        AddErrors();
    }

    private void AddErrors()
    {
        var added = (_decoder?.DecodeErrors ?? 0) - _decoderErrors;
        if (added == 0) return;
        metrics.DecodeErrors(added);
        _periodErrors += added;
        _decoderErrors += added;
    }

    private void Change(
        CameraState state, SourceFault reason, string? detail = null, int attempt = 0, TimeSpan? retry = null,
        bool failed = false)
    {
        var since = state == _last?.State ? _last.Since : time.GetUtcNow();
        var status = new CameraStatus(
            metrics.Camera, state, since, reason, detail, attempt, retry?.TotalSeconds, Math.Round(_fps, 2), FpsOut: 0,
            _lastFrame, source.Decoder?.Codec, Epoch: null)
        { IsFailure = failed };
        var isNew = (state, reason, detail) != (_last?.State, _last?.Reason, _last?.Detail);
        if (isNew || (retry is not null && time.GetElapsedTime(_logged) >= _repeat))
        {
            if (isNew) _repeats.Reset();
            (_logged, _repeat) = (time.GetTimestamp(), _repeats.Next());
            Log(status);
        }

        _last = status;
        onStatus(status);
    }

    private void Log(CameraStatus status)
    {
        var (camera, reason, detail) = (status.Camera, EnumName.Of(status.Reason), status.Detail);
        switch (status.State)
        {
            case CameraState.Starting when detail is not null: LogUndecoded(camera); break;
            case CameraState.Starting: LogStarting(camera); break;
            case CameraState.Online:
                var codec = status.Codec is { } known ? $" {known}" : "";
                LogOnline(camera, _lastFrame?.Width ?? 0, _lastFrame?.Height ?? 0, codec);
                break;
            case CameraState.Degraded: LogDegraded(camera, reason, detail); break;
            case CameraState.Offline when status.NextRetrySeconds is { } pause:
                LogLost(camera, reason, detail, status.Attempt, pause);
                break;
            case CameraState.Offline when status.IsFailure: LogFailed(camera, reason, detail); break;
            default: LogOver(camera, reason); break;
        }
    }

    [LoggerMessage(1001, LogLevel.Information, "Camera {Camera}: starting.")]
    private partial void LogStarting(string camera);

    [LoggerMessage(1008, LogLevel.Warning, "Camera {Camera}: packets arrive, no key frame yet. If that happens often, "
        + "set the camera to one key frame (I-frame) per second or two.")]
    private partial void LogUndecoded(string camera);

    [LoggerMessage(1002, LogLevel.Information, "Camera {Camera}: online, {Width}x{Height}{Codec}.")]
    private partial void LogOnline(string camera, int width, int height, string codec);

    [LoggerMessage(1003, LogLevel.Warning, "Camera {Camera}: degraded, {Reason}: {Detail}.")]
    private partial void LogDegraded(string camera, string reason, string? detail);

    [LoggerMessage(1004, LogLevel.Warning,
        "Camera {Camera}: offline, {Reason}: {Detail} Attempt {Attempt} failed, next in {Pause:0.0} s.")]
    private partial void LogLost(string camera, string reason, string? detail, int attempt, double pause);

    [LoggerMessage(1005, LogLevel.Information, "Camera {Camera}: over ({Reason}).")]
    private partial void LogOver(string camera, string reason);

    [LoggerMessage(1007, LogLevel.Warning,
        "Camera {Camera}: its timestamps do not advance; until it reconnects, arrival times stand for them.")]
    private partial void LogClockUnreliable(string camera);

    [LoggerMessage(1006, LogLevel.Error, "Camera {Camera}: failed for good, {Reason}: {Detail}")]
    private partial void LogFailed(string camera, string reason, string? detail);
}
