using Dvis.Streaming.Hosting.Configuration;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>What the service keeps running: the model, the sinks, and one pipeline a camera.</summary>
internal interface IEngine : IAsyncDisposable
{
    /// <summary>Loads the model, starts the sinks, and adds the cameras of the configuration.</summary>
    /// <exception cref="Pipeline.Inference.ModelException">The model cannot be used.</exception>
    Task StartAsync(CancellationToken cancel);

    /// <summary>A camera that can be run from now on.</summary>
    void AddCamera(string camera, CameraOptions options);

    /// <summary>Takes a camera back after its last run; what it said is on its way to the sinks, and it says no more.</summary>
    Task RemoveCameraAsync(string camera);

    /// <summary>Tells the sinks which cameras there are from now on: after those that go were removed, before those that come are added.</summary>
    Task AnnounceAsync(LoadedConfig config);

    /// <summary>One life of a camera's pipeline: until its stream is over, <paramref name="stop"/> asks for the end, or something breaks.</summary>
    /// <returns>False when the camera ended because it cannot be read, and no further try is planned.</returns>
    Task<bool> RunCameraAsync(string camera, CancellationToken stop);

    /// <summary>The pipeline of a camera broke; <paramref name="retry"/> is null when it will not be tried again.</summary>
    void CameraBroke(string camera, int attempt, TimeSpan? retry);

    /// <summary>A camera was stopped by a command, and is to stay so until another enables it.</summary>
    void CameraDisabled(string camera);

    /// <summary>The next frame of a camera begins a new epoch.</summary>
    void ResetTracker(string camera);

    /// <summary>Delivers what is on its way.</summary>
    /// <returns>False when that was not possible within the limit.</returns>
    Task<bool> FlushAsync(TimeSpan limit);
}
