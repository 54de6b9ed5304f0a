using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Cameras by name; each starts, changes and ends while the others run. Thread-safe.</summary>
internal sealed class CameraFleet(
    RunState state, PipelineMetrics metrics, Heartbeats beats, OpenSource open, TimeProvider time,
    ILoggerFactory loggers) : ICameraCommands
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Camera> _cameras = []; // under _gate, as are the fields below
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Engine? _engine;
    private bool _changing, _ending;

    /// <summary>Completed when every camera has ended and none will start.</summary>
    public Task Over => _over.Task;

    public void Start(Engine engine, IReadOnlyDictionary<string, CameraOptions> cameras)
    {
        // Under one lock: a camera that ends at once must not end the run before the next has started.
        lock (_gate)
        {
            _engine = engine;
            Add(cameras);
        }
    }

    /// <summary>Ends removed and changed cameras, then starts changed and added ones.</summary>
    /// <param name="announced">Called between, after the change was published.</param>
    public async Task ChangeAsync(ConfigChange change, LoadedConfig config, Action announced)
    {
        Camera[] leaving;
        lock (_gate)
        {
            _changing = true;
            leaving = [.. change.Removed.Concat(change.Changed).Select(_cameras.GetValueOrDefault).OfType<Camera>()];
        }

        try
        {
            await Task.WhenAll(leaving.Select(camera => camera.RetireAsync()));
            await _engine!.PublishAsync(config);
            announced();
            lock (_gate)
            {
                foreach (var name in change.Removed) _cameras.Remove(name);
                metrics.Keep(config.Options.Cameras.Keys);
                Add(config.Options.Cameras.Where(c => change.Changed.Contains(c.Key) || change.Added.Contains(c.Key)));
            }
        }
        finally
        {
            lock (_gate) _changing = false;
            EndIfOver();
        }
    }

    /// <summary>Publishes the status of a camera once more, with the present figures.</summary>
    public void Repeat(string camera)
    {
        lock (_gate) _cameras.GetValueOrDefault(camera)?.RepeatStatus();
    }

    /// <summary>Executes a command. Disabled holds until enabled, changed, or a restart of the program.</summary>
    public async Task<CommandAnswer> ExecuteAsync(string camera, string verb)
    {
        Camera? named;
        lock (_gate)
        {
            if (_engine is null) return new(false, "The cameras have not started yet.");
            if (_ending || _changing) return new(false, "The cameras are changing; try again.");
            if (!_cameras.TryGetValue(camera, out named)) return new(false, "There is no camera of this name.");
            if (verb == "enable") return Enable(named);
            if (verb != "disable") return Reset(named);
            if (named.Disabled) return new(true, "It is disabled already.");
            named.Disabled = true;
        }

        return await named.DisableAsync()
            ? new(true, "It is disabled.")
            : new(false, "It does not stop; the log says more.");
    }

    /// <summary>Stops all cameras, also those of a change in progress.</summary>
    /// <exception cref="TimeoutException">Not all ended in time.</exception>
    public async Task StopAsync(TimeSpan limit)
    {
        Camera[] cameras;
        lock (_gate)
        {
            _ending = true;
            cameras = [.. _cameras.Values];
        }

        try
        {
            await Task.WhenAll(cameras.Select(c => c.StopAsync()));
            await Task.WhenAll(cameras.Select(c => c.Running)).WaitAsync(limit, time);
        }
        finally
        {
            await Task.WhenAll(cameras.Select(c => c.CompleteAsync()));
        }
    }

    // Under _gate; the end of a run waits for it.
    private void Add(IEnumerable<KeyValuePair<string, CameraOptions>> cameras)
    {
        if (_ending) return;
        foreach (var (name, options) in cameras)
        {
            // The counts of a camera continue when its configuration changes.
            var board = _cameras.GetValueOrDefault(name)?.Board ?? new CameraBoard(metrics.Camera(name), time);
            _cameras[name] = new Camera(board, options, _engine!, beats, open, time, loggers);
            _cameras[name].Start(EndIfOver);
        }

        state.Cameras = [.. _cameras.Values.Select(c => c.Board)];
    }

    private CommandAnswer Enable(Camera camera)
    {
        if (!camera.Disabled) return new(true, "It is enabled already.");
        if (camera.Board.Run == CameraRun.Running) return new(false, "It has not stopped yet; try again.");
        camera.Start(EndIfOver);
        return new(true, "It starts.");
    }

    private static CommandAnswer Reset(Camera camera)
    {
        if (camera.Board.Run != CameraRun.Running) return new(false, "It does not run.");
        camera.ResetTracker();
        return new(true, "Its next frame begins a new epoch.");
    }

    private void EndIfOver()
    {
        lock (_gate)
        {
            var runs = _cameras.Values.Any(c => c.Board.Run == CameraRun.Running || c.Disabled);
            if (!_changing && !runs) _over.TrySetResult();
        }
    }
}
