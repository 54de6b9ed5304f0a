using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Decoding;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>Tells the world how a camera is: status messages on every change and every few seconds, metrics, and the log.</summary>
internal sealed partial class CameraReporter(
    CameraMetrics camera, SourceMetrics metrics, SourceFacts facts, TimeProvider time, ILogger logger,
    Action<CameraStatus> onStatus)
{
    // The first rate soon, then now and then.
    private static readonly TimeSpan s_firstRefresh = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_refresh = TimeSpan.FromSeconds(10);

    private readonly string _name = camera.Camera;
    private CameraState? _state;
    private SourceFault _reason;
    private string? _detail;
    private DateTimeOffset _since;
    private FrameInfo? _lastFrame;
    private double _fps;
    private long _periodBegan, _periodFrames, _periodErrors, _errors;
    private TimeSpan _period;

    public void Starting() => Change(CameraState.Starting, SourceFault.Ok, null, 0, null);

    /// <summary>A frame came; <paramref name="first"/> of its connection.</summary>
    public void Received(Frame frame, bool first)
    {
        _lastFrame = frame.Info;
        metrics.Received(frame);
        CountErrors();
        if (first)
        {
            Begin(s_firstRefresh);
            Change(CameraState.Online, SourceFault.Ok, null, 0, null);
        }
        else
        {
            _periodFrames++;
            if (time.GetElapsedTime(_periodBegan) >= _period) Refresh();
        }
    }

    /// <summary>The connection is lost or the file is over.</summary>
    /// <param name="attempt">Connections that failed since the last frame.</param>
    /// <param name="retry">Pause before the next one; null when there is none.</param>
    public void Offline(SourceFault reason, string? detail, int attempt, TimeSpan? retry)
    {
        CountErrors();
        metrics.Clock(null);
        _fps = 0;
        Change(CameraState.Offline, reason, detail, attempt, retry);
    }

    /// <summary>The camera's timestamps are given up for this session.</summary>
    public void ClockUseless() => LogClockUseless(_name);

    private void Refresh()
    {
        _fps = _periodFrames / time.GetElapsedTime(_periodBegan).TotalSeconds;
        var broken = facts.DecodeErrors - _periodErrors;
        if (broken > 0) Change(CameraState.Degraded, SourceFault.DecodeErrors, $"{broken} decode errors within {_period.TotalSeconds:0} s", 0, null);
        else Change(CameraState.Online, SourceFault.Ok, null, 0, null);
        Begin(s_refresh);
    }

    private void Begin(TimeSpan period)
        => (_period, _periodBegan, _periodFrames, _periodErrors) = (period, time.GetTimestamp(), 0, facts.DecodeErrors);

    private void CountErrors()
    {
        var total = facts.DecodeErrors;
        if (total > _errors) metrics.DecodeErrors(total - _errors);
        _errors = total;
    }

    private void Change(CameraState state, SourceFault reason, string? detail, int attempt, TimeSpan? retry)
    {
        if (state != _state || reason != _reason || detail != _detail) Log(state, reason, detail, attempt, retry);
        if (state != _state)
        {
            _since = time.GetUtcNow();
            camera.StateChanged(EnumName.Of(state));
        }

        (_state, _reason, _detail) = (state, reason, detail);
        onStatus(new CameraStatus(
            _name, state, _since, reason, detail, attempt, retry?.TotalSeconds, Math.Round(_fps, 2), FpsOut: 0,
            _lastFrame, facts.Codec, Epoch: null));
    }

    private void Log(CameraState state, SourceFault reason, string? detail, int attempt, TimeSpan? retry)
    {
        switch (state)
        {
            case CameraState.Starting: LogStarting(_name); break;
            case CameraState.Online: LogOnline(_name, _lastFrame?.Width ?? 0, _lastFrame?.Height ?? 0, facts.Codec ?? "?"); break;
            case CameraState.Degraded: LogDegraded(_name, EnumName.Of(reason), detail); break;
            case CameraState.Offline when retry is { } pause: LogLost(_name, EnumName.Of(reason), detail, attempt, pause.TotalSeconds); break;
            case CameraState.Offline when reason is SourceFault.Eof or SourceFault.Ok: LogOver(_name, EnumName.Of(reason)); break;
            default: LogFailed(_name, EnumName.Of(reason), detail); break;
        }
    }

    [LoggerMessage(1001, LogLevel.Information, "Camera {Camera}: starting.")]
    private partial void LogStarting(string camera);

    [LoggerMessage(1002, LogLevel.Information, "Camera {Camera}: online, {Width}x{Height} {Codec}.")]
    private partial void LogOnline(string camera, int width, int height, string codec);

    [LoggerMessage(1003, LogLevel.Warning, "Camera {Camera}: degraded, {Reason}: {Detail}.")]
    private partial void LogDegraded(string camera, string reason, string? detail);

    [LoggerMessage(1004, LogLevel.Warning, "Camera {Camera}: offline, {Reason}: {Detail} Attempt {Attempt} failed, next in {Pause:0.0} s.")]
    private partial void LogLost(string camera, string reason, string? detail, int attempt, double pause);

    [LoggerMessage(1005, LogLevel.Information, "Camera {Camera}: over ({Reason}).")]
    private partial void LogOver(string camera, string reason);

    [LoggerMessage(1007, LogLevel.Warning, "Camera {Camera}: its timestamps do not go on; until it is connected again, the moment of arrival stands for them.")]
    private partial void LogClockUseless(string camera);

    [LoggerMessage(1006, LogLevel.Error, "Camera {Camera}: failed for good, {Reason}: {Detail}")]
    private partial void LogFailed(string camera, string reason, string? detail);
}
