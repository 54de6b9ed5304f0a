using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>The cameras that run, each with a runner of its own: they come, change and go one by one while the others run on.</summary>
internal sealed partial class CameraFleet(IEngine engine, RunState state, TimeProvider time, ILoggerFactory loggers, ILogger<CameraFleet> logger) : ICameraCommands
{
    // Longer than a decoder needs to be killed and reaped, and a refiner for its last window.
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Member> _members = []; // under _gate, as are the two below
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _changing, _ending;

    /// <summary>Ends when every camera has ended and none is about to come.</summary>
    public Task Over => _over.Task;

    /// <summary>Runs the engine's cameras of this name.</summary>
    public void Start(IEnumerable<string> cameras)
    {
        // All at once: one that is over already must not end the run before the next is there.
        lock (_gate)
        {
            if (_ending) return;
            foreach (var camera in cameras) _members.Add(camera, Begin(camera));
        }
    }

    /// <summary>Ends what goes, begins what comes. Cameras that are not named do not notice.</summary>
    /// <param name="announced">Called when the sinks know, before new cameras begin.</param>
    public async Task ChangeAsync(ConfigChange change, LoadedConfig config, Action announced)
    {
        lock (_gate) _changing = true;
        try
        {
            string[] leaving = [.. change.Removed, .. change.Changed], coming = [.. change.Changed, .. change.Added];
            await Task.WhenAll(leaving.Select(RemoveAsync));
            await engine.AnnounceAsync(config);
            announced();
            foreach (var camera in coming) engine.AddCamera(camera, config.Options.Cameras[camera]);
            Start(coming);
        }
        finally
        {
            lock (_gate) _changing = false;
            EndIfOver();
        }
    }

    /// <summary>What a client asks for. A camera that was disabled stays so until it is enabled, changed in the configuration, or the program restarts.</summary>
    public async Task<CommandAnswer> ExecuteAsync(string camera, string verb)
    {
        Member? member;
        lock (_gate)
        {
            if (_ending || _changing) return new(false, "The cameras are changing; try again.");
            if (!_members.TryGetValue(camera, out member)) return new(false, "There is no camera of this name.");
            if (verb == "enable") return Enable(member);
            if (verb == "disable")
            {
                if (member.Disabled) return new(true, "It is disabled already.");
                member.Disabled = true;
            }
            else if (member.Ended)
            {
                return new(false, "It does not run.");
            }
        }

        if (verb == "disable") return await DisableAsync(member);
        engine.ResetTracker(camera);
        return new(true, "Its next frame begins a new epoch.");
    }

    /// <summary>Stops all cameras, and those of a change that is under way.</summary>
    /// <exception cref="TimeoutException">Not all ended in time.</exception>
    public async Task StopAsync(TimeSpan limit)
    {
        Member[] members;
        lock (_gate)
        {
            _ending = true;
            members = [.. _members.Values];
        }

        await Task.WhenAll(members.Select(m => m.Stop.CancelAsync()));
        await Task.WhenAll(members.Select(m => m.Run)).WaitAsync(limit, time);
    }

    // Under _gate.
    private CommandAnswer Enable(Member member)
    {
        if (!member.Disabled) return new(true, "It is enabled already.");
        if (!member.Ended) return new(false, "It has not stopped yet; try again.");
        _members[member.Camera] = Begin(member.Camera);
        return new(true, "It starts.");
    }

    private async Task<CommandAnswer> DisableAsync(Member member)
    {
        if (!await EndAsync(member)) return new(false, "It does not stop; the log says more.");
        engine.CameraDisabled(member.Camera);
        state.Forgive(member.Camera);
        return new(true, "It is disabled.");
    }

    private async Task RemoveAsync(string camera)
    {
        Member? member;
        lock (_gate) _members.Remove(camera, out member);
        if (member is not null) await EndAsync(member);
        await engine.RemoveCameraAsync(camera);
        state.Forgive(camera);
    }

    /// <returns>False: it does not end, and is left behind.</returns>
    private async Task<bool> EndAsync(Member member)
    {
        await member.Stop.CancelAsync();
        try
        {
            await member.Run.WaitAsync(EndLimit, time);
            return true;
        }
        catch (TimeoutException)
        {
            LogLeftBehind(member.Camera, EndLimit.TotalSeconds);
            return false;
        }
    }

    // Under _gate, where its run waits before it ends: it is a member by then.
    private Member Begin(string camera)
    {
        var member = new Member(camera);
        // Off the caller's thread: the first frames of one camera must not hold up the start of the next.
        member.Run = Task.Run(() => RunAsync(member), CancellationToken.None);
        return member;
    }

    private async Task RunAsync(Member member)
    {
        var runner = new CameraRunner(member.Camera, engine, time, loggers.CreateLogger<CameraRunner>());
        var well = await runner.RunAsync(member.Stop.Token);
        lock (_gate)
        {
            member.Ended = true;
            if (!well && _members.GetValueOrDefault(member.Camera) == member) state.Fail($"camera {member.Camera} failed for good", member.Camera);
        }

        EndIfOver();
    }

    private void EndIfOver()
    {
        lock (_gate)
            if (!_changing && _members.Values.All(m => m.Ended && !m.Disabled)) _over.TrySetResult();
    }

    // Its token source has no timer and no handle: nothing to dispose.
    private sealed class Member(string camera)
    {
        public string Camera => camera;

        public CancellationTokenSource Stop { get; } = new();

        public Task Run { get; set; } = Task.CompletedTask;

        public bool Ended { get; set; }

        /// <summary>By a command: it has ended, or will, and may come again.</summary>
        public bool Disabled { get; set; }
    }

    [LoggerMessage(4201, LogLevel.Error, "Camera {Camera}: its pipeline did not end within {Seconds} s and is left behind.")]
    private partial void LogLeftBehind(string camera, double seconds);
}
