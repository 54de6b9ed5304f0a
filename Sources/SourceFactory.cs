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

/// <summary>Factory of sources.</summary>
public static class SourceFactory
{
    /// <summary>Supervised source of a camera: it reconnects by itself.</summary>
    /// <param name="options">Validated.</param>
    /// <param name="onStatus">Called on the reader's thread, on every change and every few seconds; must not block. The
    /// receiver adds <see cref="CameraStatus.FpsOut"/> and <see cref="CameraStatus.Epoch"/>.</param>
    /// <param name="openCv">Decoder of devices, and of files with that backend; null: built without.</param>
    public static IFrameSource Create(
        CameraMetrics camera, SourceOptions options, FramePool pool, TimeProvider time, ILoggerFactory loggerFactory,
        Action<CameraStatus> onStatus, IFrameDecoder? openCv = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var metrics = new SourceMetrics(camera);
        if (options.OpenCvPath is { } path && openCv is not null) metrics.Abandoned(openCv.AbandonedThreads(path));
        return new SupervisedSource(
            CreateRaw(camera.Camera, options, pool, time, openCv, metrics.Abandoned), options, metrics, Random.Shared,
            time, loggerFactory.CreateLogger("Dvis.Streaming.Sources"), onStatus);
    }

    internal static IRawSource CreateRaw(
        string camera, SourceOptions options, FramePool pool, TimeProvider time, IFrameDecoder? openCv = null,
        Action<long>? abandoned = null)
    {
        return options switch
        {
            { Synthetic: { } synthetic } => new SyntheticSource(synthetic, pool, time),
            { Device: not null } => new DeviceSource(OpenCv),
            { File: not null } => new FileSource(options, OpenFileAsync, time),
            { Url: { } url } when StreamAddress.TryParse(url) is not null =>
                new StreamSource(camera, options, pool, time),
            { Url: not null } => new RtspSource(camera, options, pool, time),
            _ => throw new ArgumentException("one of url, device, file and synthetic must be set", nameof(options)),
        };

        IFrameSession OpenCv() => openCv?.Start(camera, options, pool, time, abandoned)
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
