using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Sinks.JsonLines;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>The whole of <c>config.yaml</c>, in its order.</summary>
internal sealed class StreamingOptions
{
    /// <summary>Of the file's format.</summary>
    [Range(1, 1)] public int Version { get; set; } = 1;

    public NodeOptions Node { get; set; } = new();

    /// <summary>More files, with <c>*</c> and <c>?</c>; each may set what no other sets.</summary>
    public string[] Include { get; set; } = [];

    public ModelOptions Model { get; set; } = new();

    public RuntimeOptions Runtime { get; set; } = new();

    /// <summary>What every camera inherits.</summary>
    public CameraDefaults Defaults { get; set; } = new();

    /// <summary>By name.</summary>
    public Dictionary<string, CameraOptions> Cameras { get; set; } = [];

    public MqttOptions Mqtt { get; set; } = new();

    public SinksOptions Sinks { get; set; } = new();

    public HttpOptions Http { get; set; } = new();

    public TelemetryOptions Telemetry { get; set; } = new();

    public LoggingOptions Logging { get; set; } = new();
}

/// <summary>This instance (section <c>node</c>).</summary>
internal sealed class NodeOptions
{
    /// <summary>In topics and client ids.</summary>
    [RegularExpression(Names.Pattern, ErrorMessage = Names.Expected)] public string Id { get; set; } = "dvis";
}

/// <summary>Where results go besides MQTT (section <c>sinks</c>).</summary>
internal sealed class SinksOptions
{
    public JsonLinesOptions JsonLines { get; set; } = new();
}

/// <summary>Metrics and health (section <c>http</c>).</summary>
internal sealed class HttpOptions
{
    /// <summary>Address and port; port 0 takes any free one.</summary>
    [Required] public string Bind { get; set; } = "127.0.0.1:8080";

    /// <summary>Who sends it (<c>Authorization: Bearer …</c>) may read;
    /// needed where others than this machine can connect. Null: everyone may.</summary>
    [Secret] public string? Token { get; set; }
}

/// <summary>What is measured (section <c>telemetry</c>).</summary>
internal sealed class TelemetryOptions
{
    /// <summary>Serves <c>/metrics</c>.</summary>
    public bool Prometheus { get; set; } = true;

    /// <summary>Different class labels in metrics; the others count as <c>other</c>.</summary>
    [Range(1, 1000)] public int LabelsMax { get; set; } = 20;
}

/// <summary>What is told (section <c>logging</c>).</summary>
internal sealed class LoggingOptions
{
    [AllowedValues("trace", "debug", "info", "warning", "error")] public string Level { get; set; } = "info";

    public LogFormat Format { get; set; }
}

/// <summary>Form of log lines.</summary>
internal enum LogFormat
{
    /// <summary>Lines for people.</summary>
    Text,

    /// <summary>For collectors: one object per line.</summary>
    Json,
}

/// <summary>Names that stand in topics.</summary>
internal static class Names
{
    public const string Pattern = "[a-z0-9_-]{1,64}";
    public const string Expected = "expected 1 to 64 of the characters a-z 0-9 _ -";
}
