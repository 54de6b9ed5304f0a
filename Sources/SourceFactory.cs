using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Rtsp;
using Dvis.Streaming.Sources.Supervision;
using Dvis.Streaming.Sources.Synthetic;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Sources;

/// <summary>Makes the source of a camera from its options.</summary>
public static class SourceFactory
{
    /// <summary>A supervised source: it reconnects by itself and tells its state
    /// through <paramref name="onStatus"/>.</summary>
    /// <param name="options">Validated.</param>
    /// <param name="onStatus">Called on the reader's thread, on every change and every few seconds; must not block.
    /// Its <see cref="CameraStatus.FpsOut"/> and <see cref="CameraStatus.Epoch"/>
    /// are for the receiver to fill in.</param>
    /// <param name="openCv">Decoder of devices, and of files where they ask for it; null: built without.</param>
    public static IFrameSource Create(
        CameraMetrics camera, SourceOptions options, FramePool pool, TimeProvider time, ILoggerFactory loggerFactory,
        Action<CameraStatus> onStatus, IFrameDecoder? openCv = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var (facts, metrics) = (new SourceFacts(), new SourceMetrics(camera));
        if (options.OpenCvPath is { } path && openCv is not null)
            metrics.Abandoned(() => openCv.AbandonedThreads(path));
        var logger = loggerFactory.CreateLogger("Dvis.Streaming.Sources");
        return new SupervisedSource(
            CreateRaw(camera.Camera, options, facts, pool, time, openCv), options,
            new Backoff(options.Rtsp.Backoff, Random.Shared),
            new CameraReporter(camera.Camera, metrics, facts, time, logger, onStatus), camera, metrics, time);
    }

    /// <summary>Picture files as one video: all of them, once, in order, unpaced.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="files">All of one format.</param>
    /// <param name="ffmpeg">The decoder: a path, or a name in PATH.</param>
    /// <param name="exactColours">True: as libjpeg decodes; false: coarser, as files and cameras are decoded.</param>
    public static IFrameSource FromImages(
        string name, IReadOnlyList<string> files, string ffmpeg, FramePool pool, TimeProvider time,
        bool exactColours = true)
        => new ImageListSource(name, files, ffmpeg, pool, time, exactColours);

    internal static IFrameSource CreateRaw(
        string camera, SourceOptions options, SourceFacts facts, FramePool pool, TimeProvider time,
        IFrameDecoder? openCv = null)
    {
        return options switch
        {
            { Synthetic: { } synthetic } => new SyntheticSource(camera, synthetic, pool, time),
            { Device: not null } => new DeviceSource(camera, OpenCv, facts),
            { File: not null } => new FileSource(camera, options, OpenFileAsync, facts, time),
            { Url: not null } => new RtspSource(camera, options, facts, pool, time),
            _ => throw new ArgumentException("one of url, device, file and synthetic must be set", nameof(options)),
        };

        IFrameSession OpenCv() => openCv?.Start(camera, options, pool, time)
            ?? throw new SourceException(SourceFault.Config,
                "This program was built without OpenCV (-p:OpenCv=false).");

        async Task<IFrameSession> OpenFileAsync()
        {
            if (options.OpenCvPath is not null) return OpenCv();
            var arguments = FfmpegCommand.ForFile(options.File!);
            return await FfmpegSession.StartAsync(options.Decode.Ffmpeg, arguments, new Redactor(), camera, pool, time);
        }
    }
}
