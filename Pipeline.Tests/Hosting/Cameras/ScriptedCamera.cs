using System.Runtime.CompilerServices;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sources.Supervision;
using Microsoft.Extensions.DependencyInjection;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;

/// <summary>A source without frames, which does what the test says; false: it fails for good.</summary>
internal sealed class ScriptedCamera(
    string name, Func<string, CancellationToken, Task<bool>> run, Action<CameraStatus> onStatus) : IFrameSource
{
    public string Camera => name;

    public bool IsLive => true;

    /// <summary>All cameras of the host are scripted.</summary>
    public static void Use(IServiceCollection services, Func<string, CancellationToken, Task<bool>> run) =>
        services.AddSingleton<OpenSource>((camera, options, onStatus) =>
        {
            _ = new SourceMetrics(camera);
            return new ScriptedCamera(camera.Camera, run, onStatus);
        });

    /// <summary>A camera that runs until it is stopped.</summary>
    public static async Task<bool> UntilStoppedAsync(string name, CancellationToken stop)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stop)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return true;
    }

    public static CameraStatus Offline(string name) => new(
        name, CameraState.Offline, default, SourceFault.NotFound, "as the test says", 1, null, 0, 0, null, null, null);

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (!await run(name, stop)) onStatus(Offline(name) with { IsFailure = true });
        yield break;
    }
}
