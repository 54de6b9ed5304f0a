using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Flow;

namespace Dvis.Streaming.Sources.Options;

/// <summary>Settings of a source that a camera may inherit (section <c>defaults</c>).</summary>
public class SourceSettings
{
    public RtspOptions Rtsp { get; set; } = new();

    public ClockOptions Clock { get; set; } = new();

    public DecodeOptions Decode { get; set; } = new();

    public RateOptions Rate { get; set; } = new();

    public QueueOptions Queue { get; set; } = new();
}

/// <summary>
/// Input of one camera (<c>cameras.&lt;name&gt;</c>): exactly one of <see cref="Url"/>, <see cref="Device"/>,
/// <see cref="File"/> and <see cref="Synthetic"/>.
/// </summary>
public sealed class SourceOptions : SourceSettings, IValidatableObject
{
    /// <summary>Camera or stream: <c>rtsp://</c>, <c>rtsps://</c>, <c>http://</c> and <c>https://</c> (motion JPEG),
    /// <c>rtmp://</c> or <c>srt://</c>; a login may stand in it.</summary>
    public string? Url { get; set; }

    /// <summary>Login for <see cref="Url"/>, which then must not have one in it.</summary>
    [Secret] public string? Username { get; set; }

    [Secret] public string? Password { get; set; }

    /// <summary>Capture device, such as <c>/dev/video0</c>.</summary>
    [FilePath] public string? Device { get; set; }

    /// <summary>Requested format of <see cref="Device"/>; null: its default.</summary>
    public DeviceOptions? V4l2 { get; set; }

    /// <summary>Video file, anything ffmpeg reads.</summary>
    [FilePath(Shipped = true)] public string? File { get; set; }

    /// <summary>True: a file starts again at its end; every pass is a new session.</summary>
    public bool Loop { get; set; }

    /// <summary>True: a file is read at the speed of its timestamps; false: as fast as it can be processed.</summary>
    public bool Realtime { get; set; }

    /// <summary>Rendered scene, for demonstrations and tests.</summary>
    public SyntheticOptions? Synthetic { get; set; }

    /// <summary>Greatest age at arrival of a live frame out of a backlog; null: not limited.</summary>
    internal TimeSpan? MaxAge => Queue.Policy == QueuePolicy.Wait ? null : Queue.MaxAge;

    /// <summary>Input that OpenCV reads; null: none.</summary>
    internal string? OpenCvPath => Device ?? (Decode.Backend == DecodeBackend.Opencv ? File : null);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        var given = new object?[] { Url, Device, File, Synthetic }.Count(option => option is not null);
        if (given != 1)
        {
            string[] all = [nameof(Url), nameof(Device), nameof(File), nameof(Synthetic)];
            yield return new ValidationResult(
                $"exactly one of url, device, file and synthetic must be set, not {given}", all);
        }

        if (V4l2 is not null && Device is null)
            yield return new ValidationResult("v4l2 needs a device", [nameof(V4l2)]);
        var stream = Url is null ? null : StreamAddress.TryParse(Url);
        var camera = Url is null || stream is not null ? null : RtspAddress.TryParse(Url);
        if (Url is not null && stream is null && camera is null)
            yield return new ValidationResult(StreamAddress.Expected, [nameof(Url)]);
        else if (Rtsp.Transport == RtspTransport.Udp && camera is { Secure: true })
            yield return new ValidationResult(
                "rtsps:// carries the frames in its own connection: transport must be tcp", [nameof(Rtsp.Transport)]);
        // The name may stand in the URL and the password apart from it.
        var user = stream?.Login.User ?? camera?.User;
        var password = stream?.Login.Password ?? camera?.Password;
        if ((Username is not null && user is { Length: > 0 }) || (Password is not null && password is { Length: > 0 }))
            yield return new ValidationResult("has a login that username or password set, too; expected only one",
                [nameof(Url)]);
        if (Rtsp.Backoff.Max < Rtsp.Backoff.Initial)
            yield return new ValidationResult("backoff.max must not be less than backoff.initial",
                [nameof(Rtsp.Backoff)]);
    }
}

/// <summary>Decoder (section <c>decode</c>).</summary>
public sealed class DecodeOptions
{
    /// <summary>Decoder of a file; a device is always read by OpenCV, a URL by ffmpeg.</summary>
    public DecodeBackend Backend { get; set; }

    /// <summary>Decoder program: a path, or a name looked up in <c>PATH</c>.</summary>
    [Required] public string Ffmpeg { get; set; } = "ffmpeg";
}

/// <summary>Frame rate (section <c>rate</c>).</summary>
public sealed class RateOptions
{
    /// <summary>Most frames per second; the others are dropped and counted. 0: all.</summary>
    [Range(0.0, 1000.0)] public double MaxFps { get; set; }
}

/// <summary>Decoder of files.</summary>
public enum DecodeBackend
{
    /// <summary>The program ffmpeg, in a process of its own.</summary>
    Ffmpeg,

    /// <summary>The FFmpeg inside OpenCV, in this process.</summary>
    Opencv,
}

/// <summary>Origin of a camera's capture times (section <c>clock</c>).</summary>
public sealed class ClockOptions : IValidatableObject
{
    /// <summary>Clocks in order of preference; the first that is available is used.</summary>
    public CameraClock[] Prefer { get; set; } = [CameraClock.RtcpSr, CameraClock.Arrival];

    /// <summary>Greatest age of a frame at arrival; a report by which a frame would be older is not used.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan MaxSkew { get; set; } = TimeSpan.FromSeconds(2);

    internal bool UsesReports => Prefer is [CameraClock.RtcpSr, ..];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Prefer is not ([CameraClock.RtcpSr, CameraClock.Arrival] or [CameraClock.Arrival]))
            yield return new ValidationResult("must be [rtcp_sr, arrival] or [arrival]", [nameof(Prefer)]);
    }
}

/// <summary>Clock of capture times.</summary>
public enum CameraClock
{
    /// <summary>Sender reports of the camera, with <c>transport: tcp</c>.</summary>
    RtcpSr,

    /// <summary>Arrival of the frame, which is always available.</summary>
    Arrival,
}
