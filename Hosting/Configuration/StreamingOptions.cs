using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Sinks.JsonLines;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>The whole of <c>config.yaml</c>, in its order.</summary>
internal sealed class StreamingOptions
{
    /// <summary>Version of the configuration format.</summary>
    [Range(1, 1)] public int Version { get; set; } = 1;

    public NodeOptions Node { get; set; } = new();

    /// <summary>More files, with <c>*</c> and <c>?</c>; no two may set the same key.</summary>
    public string[] Include { get; set; } = [];

    public ModelOptions Model { get; set; } = new();

    public RuntimeOptions Runtime { get; set; } = new();

    /// <summary>Options that every camera inherits.</summary>
    public CameraDefaults Defaults { get; set; } = new();

    /// <summary>Cameras by name.</summary>
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
    /// <summary>Name in topics and client ids.</summary>
    [RegularExpression(Names.Pattern, ErrorMessage = Names.Expected)] public string Id { get; set; } = "dvis";
}

/// <summary>Sinks besides MQTT (section <c>sinks</c>).</summary>
internal sealed class SinksOptions
{
    public JsonLinesOptions JsonLines { get; set; } = new();
}

/// <summary>Page, metrics and health (section <c>http</c>).</summary>
internal sealed class HttpOptions
{
    /// <summary>Address and port; port 0 takes any free one.</summary>
    [Required] public string Bind { get; set; } = "127.0.0.1:8080";

    /// <summary>Token of clients (<c>Authorization: Bearer …</c>); required where others than this machine can
    /// connect. Null: none.</summary>
    [Secret] public string? Token { get; set; }

    /// <summary>Serves the live page and its data.</summary>
    public bool Page { get; set; } = true;

    /// <summary>Serves pictures of the cameras; without the page there are none.</summary>
    public bool Images { get; set; } = true;

    /// <summary>Parsed <see cref="Bind"/>, where <c>localhost</c> is 127.0.0.1; null: no address with a port.</summary>
    public IPEndPoint? Endpoint
    {
        get
        {
            var text = Regex.Replace(Bind, "^localhost:", "127.0.0.1:");
            // IPEndPoint takes an address alone as port 0; a bind without a port is more likely a mistake.
            var hasPort = text.Contains("]:", StringComparison.Ordinal) || text.Count(c => c == ':') == 1;
            return hasPort && IPEndPoint.TryParse(text, out var endpoint) ? endpoint : null;
        }
    }
}

/// <summary>Metrics (section <c>telemetry</c>).</summary>
internal sealed class TelemetryOptions
{
    /// <summary>Serves <c>/metrics</c>.</summary>
    public bool Prometheus { get; set; } = true;

    /// <summary>Different class labels in metrics; the others count as <c>other</c>.</summary>
    [Range(1, 1000)] public int LabelsMax { get; set; } = 20;
}

/// <summary>Log (section <c>logging</c>).</summary>
internal sealed class LoggingOptions
{
    /// <summary>Least severe entries that are logged.</summary>
    public LogSeverity Level { get; set; } = LogSeverity.Info;

    public LogFormat Format { get; set; }
}

/// <summary>Severities of log entries, with the numbers of <see cref="LogLevel"/>.</summary>
internal enum LogSeverity
{
    Trace,
    Debug,
    Info,
    Warning,
    Error,
}

/// <summary>Form of log lines.</summary>
internal enum LogFormat
{
    /// <summary>Lines for people.</summary>
    Text,

    /// <summary>One object per line, for collectors.</summary>
    Json,
}

/// <summary>Form of names in topics.</summary>
internal static class Names
{
    public const string Pattern = "[a-z0-9_-]{1,64}";
    public const string Expected = "expected 1 to 64 of the characters a-z 0-9 _ -";
}
