using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>What a camera inherits when it does not say otherwise (section <c>defaults</c>).</summary>
internal sealed class CameraDefaults
{
    public RtspOptions Rtsp { get; set; } = new();

    public ClockOptions Clock { get; set; } = new();

    public DecodeOptions Decode { get; set; } = new();

    public RateOptions Rate { get; set; } = new();

    public QueueOptions Queue { get; set; } = new();

    public TrackOptions Track { get; set; } = new();

    public PanopticOptions Panoptic { get; set; } = new();

    public PublishOptions Publish { get; set; } = new();
}

/// <summary>One camera (section <c>cameras.&lt;name&gt;</c>): exactly one of url, device, file and synthetic,
/// and what differs from the defaults.</summary>
internal sealed class CameraOptions
{
    /// <inheritdoc cref="SourceOptions.Url"/>
    public string? Url { get; set; }

    /// <inheritdoc cref="SourceOptions.Username"/>
    [Secret] public string? Username { get; set; }

    /// <inheritdoc cref="SourceOptions.Password"/>
    [Secret] public string? Password { get; set; }

    /// <inheritdoc cref="SourceOptions.Device"/>
    [FilePath] public string? Device { get; set; }

    /// <inheritdoc cref="SourceOptions.V4l2"/>
    public DeviceOptions? V4l2 { get; set; }

    /// <inheritdoc cref="SourceOptions.File"/>
    [FilePath(Shipped = true)] public string? File { get; set; }

    /// <inheritdoc cref="SourceOptions.Loop"/>
    public bool Loop { get; set; }

    /// <inheritdoc cref="SourceOptions.Realtime"/>
    public bool Realtime { get; set; }

    /// <inheritdoc cref="SourceOptions.Synthetic"/>
    public SyntheticOptions? Synthetic { get; set; }

    /// <summary>What the frames show; a model is warned about where it was trained on something else.</summary>
    public CameraDomain Domain { get; set; }

    [Inline] public CameraDefaults Settings { get; } = new();

    /// <summary>True when its frames show scenes that a program has drawn.</summary>
    public bool IsRendered => Domain == CameraDomain.Rendered || (Domain == CameraDomain.Auto && Synthetic is not null);

    public SourceOptions ToSource() => new()
    {
        Url = Url,
        Username = Username,
        Password = Password,
        Device = Device,
        V4l2 = V4l2,
        File = File,
        Loop = Loop,
        Realtime = Realtime,
        Synthetic = Synthetic,
        Rtsp = Settings.Rtsp,
        Clock = Settings.Clock,
        MaxFps = Settings.Rate.MaxFps,
        MaxAge = Settings.Queue.Policy == QueuePolicy.Wait ? null : Settings.Queue.MaxAge,
        Backend = Settings.Decode.Backend,
        Ffmpeg = Settings.Decode.Ffmpeg,
    };
}

/// <summary>What the frames of a camera show.</summary>
internal enum CameraDomain
{
    /// <summary>Rendered scenes when the source is <c>synthetic</c>, else the real world.</summary>
    Auto,

    /// <summary>The real world.</summary>
    Real,

    /// <summary>Scenes that a program has drawn, such as a rendered file.</summary>
    Rendered,
}

/// <summary>Decoder (section <c>decode</c>).</summary>
internal sealed class DecodeOptions
{
    /// <inheritdoc cref="SourceOptions.Backend"/>
    public DecodeBackend Backend { get; set; }

    /// <inheritdoc cref="SourceOptions.Ffmpeg"/>
    [Required] public string Ffmpeg { get; set; } = "ffmpeg";
}

/// <summary>Frame rate (section <c>rate</c>).</summary>
internal sealed class RateOptions
{
    /// <inheritdoc cref="SourceOptions.MaxFps"/>
    [Range(0.0, 1000.0)] public double MaxFps { get; set; }
}
