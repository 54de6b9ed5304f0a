using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Sources.Synthetic;

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
/// Source of one camera's frames (<c>cameras.&lt;name&gt;</c>): exactly one of <see cref="Url"/>,
/// <see cref="Device"/>, <see cref="File"/> and <see cref="Synthetic"/>.
/// </summary>
public sealed class SourceOptions : SourceSettings, IValidatableObject
{
    /// <summary>Camera, <c>rtsp://</c> or <c>rtsps://</c>; a login may stand in it.</summary>
    public string? Url { get; set; }

    /// <summary>Login for <see cref="Url"/>; takes the place of one that stands in it.</summary>
    [Secret] public string? Username { get; set; }

    [Secret] public string? Password { get; set; }

    /// <summary>Capture device, such as <c>/dev/video0</c>.</summary>
    [FilePath] public string? Device { get; set; }

    /// <summary>What <see cref="Device"/> is asked for; null: nothing in particular.</summary>
    public DeviceOptions? V4l2 { get; set; }

    /// <summary>Video file, anything ffmpeg reads.</summary>
    [FilePath(Shipped = true)] public string? File { get; set; }

    /// <summary>A file starts again when it is over; every pass is a new session.</summary>
    public bool Loop { get; set; }

    /// <summary>A file is read at the speed of its timestamps instead of as fast as it can be processed.</summary>
    public bool Realtime { get; set; }

    /// <summary>Rendered scene, for demonstrations and tests.</summary>
    public SyntheticOptions? Synthetic { get; set; }

    /// <summary>Age on arrival from which a live frame out of a backlog is dropped; null: none is.</summary>
    internal TimeSpan? MaxAge => Queue.Policy == QueuePolicy.Wait ? null : Queue.MaxAge;

    /// <summary>What OpenCV reads here; null: nothing.</summary>
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
        if (Url is not null && !RtspAddress.IsValid(Url))
            yield return new ValidationResult("must be a rtsp:// or rtsps:// URL with a host", [nameof(Url)]);
        else if (Rtsp.Transport == RtspTransport.Udp && Url is not null && RtspAddress.Parse(Url).Secure)
            yield return new ValidationResult(
                "rtsps:// carries the pictures in its own connection: transport must be tcp", [nameof(Rtsp.Transport)]);
        if (Rtsp.Backoff.Max < Rtsp.Backoff.Initial)
            yield return new ValidationResult("backoff.max must not be less than backoff.initial",
                [nameof(Rtsp.Backoff)]);
    }
}

/// <summary>Decoder (section <c>decode</c>).</summary>
public sealed class DecodeOptions
{
    /// <summary>Decoder of a file; a device always has OpenCV, a URL always ffmpeg.</summary>
    public DecodeBackend Backend { get; set; }

    /// <summary>Decoder program: a path, or a name looked up in <c>PATH</c>.</summary>
    [Required] public string Ffmpeg { get; set; } = "ffmpeg";
}

/// <summary>Frame rate (section <c>rate</c>).</summary>
public sealed class RateOptions
{
    /// <summary>Frames per second at most; the others are dropped and counted. 0: all.</summary>
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

/// <summary>Where a camera's capture times come from (section <c>clock</c>).</summary>
public sealed class ClockOptions : IValidatableObject
{
    private const string Reports = "rtcp_sr", Arrival = "arrival";

    /// <summary>The first that there is: <c>rtcp_sr</c>, the camera's sender reports (with <c>transport: tcp</c>),
    /// and <c>arrival</c>, which there always is.</summary>
    public string[] Prefer { get; set; } = [Reports, Arrival];

    /// <summary>Reports by which a picture would be older than this when it arrives are not believed.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan MaxSkew { get; set; } = TimeSpan.FromSeconds(2);

    internal bool UsesReports => Prefer is [Reports, ..];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Prefer is not ([Reports, Arrival] or [Arrival]))
            yield return new ValidationResult("must be [rtcp_sr, arrival] or [arrival]", [nameof(Prefer)]);
    }
}
