using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Stages;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Zones;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Opener of a camera's source, which calls <paramref name="onStatus"/> on its own thread.</summary>
internal delegate IFrameSource OpenSource(CameraMetrics camera, CameraOptions options, Action<CameraStatus> onStatus);

/// <summary>
/// One camera: its source, its pipeline and its status board. A pipeline that fails is restarted after a growing pause,
/// up to <see cref="MaxCrashes"/> times in a row; the source continues, and so do frame ids.
/// </summary>
internal sealed partial class Camera : IPublisher
{
    /// <summary>Failures in a row after which there is no restart.</summary>
    public const int MaxCrashes = 5;

    // After a run of this length the next failure counts as the first.
    private static readonly TimeSpan s_healthy = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    // Longer than a decoder needs to end, and a refiner for its last window.
    private static readonly TimeSpan s_endLimit = TimeSpan.FromSeconds(10);

    private readonly IPublisher _sinks;
    private readonly StatusFeed _statuses;
    private readonly Func<StreamPipeline> _pipeline;
    private readonly ResetRequest _reset = new();
    private readonly TrackSnapshots? _snapshots;
    private readonly TimeProvider _time;
    private readonly ILogger<Camera> _logger;
    private volatile bool _retired;

    /// <param name="board">New, or that of the camera of the same name that this one replaces.</param>
    public Camera(
        CameraBoard board, CameraOptions options, Engine engine, Heartbeats beats, OpenSource open, TimeProvider time,
        ILoggerFactory loggers)
    {
        (Board, _sinks, _time, _logger) = (board, engine.Sinks, time, loggers.CreateLogger<Camera>());
        board.Restart(options.WarningsWith(engine.Models.Manifest));
        board.Draw(options.Zones, options.Lines);
        foreach (var warning in board.Warnings) LogWarning(Name, warning.Detail);
        _statuses = new StatusFeed(board, _sinks, time);
        var logger = loggers.CreateLogger<StreamPipeline>();
        var source = open(board.Metrics, options, Report);
        var settings = new CameraSettings(engine.Models.Manifest, options.Results)
        {
            Queue = options.Source.Queue,
            Refiner = engine.Refiner,
            ResetEndedSlots = engine.ResetEndedSlots,
        };
        var zones = ZonePlan.Of(options.Zones, options.Lines, engine.Models.Manifest.Classes);
        var publish = options.Results.Publish;
        if (publish.Snapshots == SnapshotOutput.On) _snapshots = new(publish.SnapshotSize, engine.Frames);
        var watch = _snapshots is null ? engine.Watch : _snapshots.Watch + engine.Watch;
        _pipeline = () => new StreamPipeline(
            settings, source, engine.Segmenter, engine.Models, engine.Tensors, this, board.Metrics, time, logger)
        { Beats = beats, Reset = _reset, Watch = watch, Zones = zones };
    }

    public string Name => Board.Name;

    public CameraBoard Board { get; }

    /// <summary>True when stopped by a command; it may be enabled again. Under the fleet's lock.</summary>
    public bool Disabled { get; set; }

    // Has no timer and no handle to dispose.
    private CancellationTokenSource Stop { get; set; } = new();

    /// <summary>The current run; completed when there is none.</summary>
    public Task Running { get; private set; } = Task.CompletedTask;

    /// <summary>Starts a run on another thread, so that the first frames do not delay the next camera.</summary>
    /// <param name="ended">Called when the run has ended.</param>
    public void Start(Action ended)
    {
        (Stop, Board.Run, Disabled) = (new CancellationTokenSource(), CameraRun.Running, false);
        var stop = Stop.Token;
        Running = Task.Run(async () =>
        {
            var run = await RunAsync(stop);
            if (!_retired) Board.Run = run;
            ended();
        }, CancellationToken.None);
    }

    public Task StopAsync() => Stop.CancelAsync();

    /// <summary>Publishes the last status once more, with the present figures.</summary>
    public void RepeatStatus() => _statuses.Repeat();

    /// <summary>Begins a new epoch at the next frame.</summary>
    public void ResetTracker() => _reset.Ask();

    /// <summary>Stops the camera by a command.</summary>
    /// <returns>False: the run did not end in time.</returns>
    public async Task<bool> DisableAsync()
    {
        if (!await EndAsync()) return false;
        Report(Status(CameraState.Disabled, SourceFault.Ok, "disabled by a command"));
        Board.Run = CameraRun.Ended;
        return true;
    }

    /// <summary>Stops the camera permanently and publishes its final status; nothing is published after it.</summary>
    public async Task RetireAsync()
    {
        await EndAsync();
        if (Board.State is not (CameraState.Offline or CameraState.Disabled))
            Report(Status(CameraState.Offline, SourceFault.Ok) with { LastFrame = Board.Status?.LastFrame });
        _retired = true;
        _snapshots?.Clear();
        await CompleteAsync();
    }

    /// <summary>Publishes the reported statuses; later ones are not published.</summary>
    public Task CompleteAsync() => _statuses.CompleteAsync();

    async ValueTask IPublisher.PublishAsync(PipelineMessage message)
    {
        if (_retired) return;
        if (message is ProvisionalResult result)
        {
            (Board.Epoch, Board.LastFrame, Board.Inside) = (result.Epoch, result.Frame, result.Zones);
            _snapshots?.Add(result);
        }

        await _sinks.PublishAsync(message);
        if (message is LifecycleEvent e && _snapshots?.Take(e) is { } snapshot) await _sinks.PublishAsync(snapshot);
    }

    private void Report(CameraStatus status)
    {
        if (_retired) return;
        Board.Status = status;
        _statuses.Post(status);
    }

    private CameraStatus Status(
        CameraState state, SourceFault reason, string? detail = null, int attempt = 0, TimeSpan? retry = null) => new(
        Name, state, _time.GetUtcNow(), reason, detail, attempt, retry?.TotalSeconds, 0, 0, null, null, null);

    /// <returns>False: the run did not end in time and is abandoned.</returns>
    private async Task<bool> EndAsync()
    {
        await StopAsync();
        try
        {
            await Running.WaitAsync(s_endLimit, _time);
            return true;
        }
        catch (TimeoutException)
        {
            LogLeftBehind(Name, s_endLimit.TotalSeconds);
            return false;
        }
    }

    private async Task<CameraRun> RunAsync(CancellationToken stop)
    {
        const string Detail = "the pipeline of this camera broke; the log says why";
        for (var crashes = 0; ;)
        {
            var started = _time.GetTimestamp();
            try
            {
                await _pipeline().RunAsync(stop);
                var failed = Board.Status is { IsFailure: true } && !stop.IsCancellationRequested;
                return failed ? CameraRun.Failed : CameraRun.Ended;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return CameraRun.Ended;
            }
            catch (Exception e) // a failure of one camera does not affect the others
            {
                crashes = _time.GetElapsedTime(started) > s_healthy ? 1 : crashes + 1;
                if (crashes == MaxCrashes)
                {
                    LogGivenUp(Name, crashes, e);
                    Report(Status(CameraState.Offline, SourceFault.Unknown, Detail, crashes));
                    return CameraRun.Failed;
                }

                var pause = s_pause * (1 << (crashes - 1));
                LogCrashed(Name, pause.TotalSeconds, e);
                Report(Status(CameraState.Offline, SourceFault.Unknown, Detail, crashes, pause));
                await Task.Delay(pause, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stop.IsCancellationRequested) return CameraRun.Ended;
            }
        }
    }

    [LoggerMessage(4101, LogLevel.Error, "Camera {Camera}: its pipeline broke; it begins anew in {Pause} s.")]
    private partial void LogCrashed(string camera, double pause, Exception e);

    [LoggerMessage(
        4102, LogLevel.Critical,
        "Camera {Camera}: its pipeline broke {Crashes} times in a row and is given up; the other cameras go on.")]
    private partial void LogGivenUp(string camera, int crashes, Exception e);

    [LoggerMessage(
        4201, LogLevel.Error, "Camera {Camera}: its pipeline did not end within {Seconds} s and is left behind.")]
    private partial void LogLeftBehind(string camera, double seconds);

    [LoggerMessage(4501, LogLevel.Warning, "Camera {Camera}: {Detail}")]
    private partial void LogWarning(string camera, string detail);
}
