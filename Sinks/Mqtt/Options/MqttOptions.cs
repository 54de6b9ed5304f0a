using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>Publishing over MQTT (section <c>mqtt</c>).</summary>
public sealed class MqttOptions : IValidatableObject
{
    /// <summary>Brokers, tried in turn: <c>mqtt://host:port</c> or <c>mqtts://host:port</c>. Empty: no MQTT.</summary>
    public string[] Servers { get; set; } = ["mqtt://127.0.0.1:1883"];

    /// <summary>MQTT version.</summary>
    public MqttProtocol Protocol { get; set; }

    /// <summary>Empty: <c>dvis-{node}-{short machine id}</c>.</summary>
    [MaxLength(256)] public string? ClientId { get; set; }

    public string? Username { get; set; }

    [Secret] public string? Password { get; set; }

    /// <summary>File with the user name; read at every connect, so that it may change.
    /// Wins over <see cref="Username"/>.</summary>
    [FilePath] public string? UsernameFile { get; set; }

    /// <summary>File with the password; read at every connect, so that it may change.
    /// Wins over <see cref="Password"/>.</summary>
    [FilePath] public string? PasswordFile { get; set; }

    public MqttTlsOptions Tls { get; set; } = new();

    /// <summary>First topic levels; the node's name follows.</summary>
    [RegularExpression("[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"), MaxLength(128)]
    public string Root { get; set; } = "dvis/v1";

    /// <summary>Largest JSON payload; what is larger leaves in parts.
    /// The broker's Maximum Packet Size may lower it.</summary>
    [Range(1024, 268_435_455)] public int MaxMessageBytes { get; set; } = 8192;

    /// <summary>Largest payload of masks and maps; what is larger leaves in parts.</summary>
    [Range(1024, 268_435_455)] public int MaxMaskBytes { get; set; } = 65536;

    /// <summary>Longest silence before a ping;
    /// the broker declares us dead after one and a half times as long.</summary>
    [Range(typeof(TimeSpan), "00:00:05", "18:00:00")]
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Longest wait for the broker's answer to a connect, name resolution and TLS included.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public BackoffOptions Backoff { get; set; } = new();

    public MqttOutboxOptions Outbox { get; set; } = new();

    public MqttCommandOptions Commands { get; set; } = new();

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        for (var i = 0; i < Servers.Length; i++)
            if (MqttServer.TryParse(Servers[i]) is null)
                yield return new(
                    $"servers[{i}] must be mqtt://host[:port] or mqtts://host[:port], without user or path",
                    [nameof(Servers)]);
        if (Tls.Cert is null != Tls.Key is null)
            yield return new("tls.cert and tls.key belong together: give both or neither", [nameof(Tls)]);
        if ((Password ?? PasswordFile) is not null && (Username ?? UsernameFile) is null)
            yield return new("a password needs username or username_file", [nameof(Username)]);
        foreach (var verb in Commands.Allow.Except(MqttCommandOptions.Verbs))
            yield return new(
                $"commands.allow: there is no verb '{verb}', expected of {string.Join(", ", MqttCommandOptions.Verbs)}",
                [nameof(Commands)]);
        if (Backoff.Initial > Backoff.Max)
            yield return new("backoff.initial must not be longer than backoff.max", [nameof(Backoff)]);
    }
}

/// <summary>Versions of MQTT.</summary>
public enum MqttProtocol
{
    [JsonStringEnumMemberName("5")] V5,
    [JsonStringEnumMemberName("3.1.1")] V311,
}

/// <summary>TLS of <c>mqtts://</c> servers (section <c>mqtt.tls</c>).</summary>
public sealed class MqttTlsOptions
{
    /// <summary>PEM file of the authorities to trust; empty: those of the system.</summary>
    [FilePath] public string? Ca { get; set; }

    /// <summary>PEM file of our certificate, for brokers that ask for one.</summary>
    [FilePath] public string? Cert { get; set; }

    /// <summary>PEM file of its private key, without a passphrase.</summary>
    [FilePath] public string? Key { get; set; }

    /// <summary>False accepts any certificate of any host: for tests only.</summary>
    public bool Verify { get; set; } = true;
}

/// <summary>What waits for the broker (section <c>mqtt.outbox</c>): finals, events and final masks.
/// Provisional results never wait.</summary>
public sealed class MqttOutboxOptions
{
    /// <summary>Folder of this process alone; empty: <c>$STATE_DIRECTORY/outbox</c>, which systemd gives,
    /// and without that memory only.</summary>
    [FilePath] public string? Path { get; set; }

    /// <summary>Bytes that may wait on disk; the oldest messages are dropped and counted.
    /// Files may be two MiB larger.</summary>
    [Range(65_536, 1L << 40)] public long MaxBytes { get; set; } = 256L << 20;

    /// <summary>Messages that have waited longer are dropped and counted.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00")]
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromHours(24);

    /// <summary>What waits is on the disk itself at most so long after it came,
    /// so that a power cut loses no more; zero: when the system likes.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan SyncInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Without a folder, or while its disk fails: messages that may wait in memory;
    /// the oldest are dropped and counted.</summary>
    [Range(1, 10_000_000)] public int MemoryMessages { get; set; } = 10_000;

    /// <summary>Likewise: their payload.</summary>
    [Range(65_536, 1L << 40)] public long MemoryBytes { get; set; } = 64L << 20;

    /// <summary>
    /// A broker that is killed loses what it acknowledged and had not saved. Acknowledged messages are therefore kept
    /// this long, and sent again when the connection breaks meanwhile; zero: never.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan KeepAcknowledged { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Messages handed to the broker and not yet acknowledged;
    /// the broker's Receive Maximum may lower it.</summary>
    [Range(1, 65_535)] public int InFlight { get; set; } = 32;
}
