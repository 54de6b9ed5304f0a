using System.Runtime.CompilerServices;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>Rendered camera whose frames stop while a test holds them; nothing reports a fault.</summary>
internal sealed class StallingCamera(IFrameSource source, StallingCamera.Hold hold) : IFrameSource
{
    public string Camera => source.Camera;

    public bool IsLive => source.IsLive;

    /// <summary>Puts this in place of a camera of the host.</summary>
    public static void Use(IServiceCollection services, string name, Hold hold) =>
        services.AddSingleton<OpenSource>(s => (camera, settings, onStatus) =>
        {
            var source = SourceFactory.Create(
                camera, settings.Source, s.GetRequiredService<FramePool>(), s.GetRequiredService<TimeProvider>(),
                s.GetRequiredService<ILoggerFactory>(), onStatus);
            return camera.Camera == name ? new StallingCamera(source, hold) : source;
        });

    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        await foreach (var frame in source.ReadAsync(stop))
        {
            using var _ = stop.Register(hold.End);
            await hold.Ended;
            yield return frame;
        }
    }

    /// <summary>Whether frames are held; they are not at first.</summary>
    internal sealed class Hold
    {
        private volatile TaskCompletionSource _ended = new();

        public Hold() => End();

        public Task Ended => _ended.Task;

        public void Begin() => _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void End() => _ended.TrySetResult();
    }
}
