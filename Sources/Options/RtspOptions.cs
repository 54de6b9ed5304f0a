using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sources.Options;

/// <summary>RTSP connection settings (section <c>rtsp</c>).</summary>
public sealed class RtspOptions
{
    public RtspTransport Transport { get; set; }

    /// <summary>Longest wait for the camera to answer.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Longest time between two frames; then the session is ended and the camera reconnected.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan StallTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public BackoffOptions Backoff { get; set; } = new();

    public RtspTlsOptions Tls { get; set; } = new();
}

/// <summary>Transport of RTP packets.</summary>
public enum RtspTransport
{
    /// <summary>In the RTSP connection: lossless.</summary>
    Tcp,

    /// <summary>In datagrams, for cameras that support nothing else.</summary>
    Udp,
}

/// <summary>TLS of <c>rtsps://</c> cameras (section <c>rtsp.tls</c>).</summary>
public sealed class RtspTlsOptions
{
    /// <summary>PEM file of trusted authorities, or of the camera's own certificate, which then may have any name;
    /// empty: those of the system.</summary>
    [FilePath(Exists = true)] public string? Ca { get; set; }

    /// <summary>False: any certificate of any host is accepted. For tests only.</summary>
    public bool Verify { get; set; } = true;
}
