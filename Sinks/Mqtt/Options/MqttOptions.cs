using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>Publishing over MQTT (section <c>mqtt</c>).</summary>
public sealed class MqttOptions : IValidatableObject
{
    /// <summary>Brokers, tried in turn: <c>mqtt://host:port</c> or <c>mqtts://host:port</c>. Empty: no MQTT.</summary>
    public string[] Servers { get; set; } = ["mqtt://127.0.0.1:1883"];

    public MqttProtocol Protocol { get; set; }

    /// <summary>Empty: <c>dvis-{node}-{short machine id}</c>.</summary>
    [MaxLength(256)] public string? ClientId { get; set; }

    public string? Username { get; set; }

    [Secret] public string? Password { get; set; }

    /// <summary>File with the user name, in place of <see cref="Username"/>; read at every connect.</summary>
    [FilePath] public string? UsernameFile { get; set; }

    /// <summary>File with the password, in place of <see cref="Password"/>; read at every connect.</summary>
    [FilePath] public string? PasswordFile { get; set; }

    public MqttTlsOptions Tls { get; set; } = new();

    /// <summary>First topic levels; the node's name follows.</summary>
    [RegularExpression("[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"), MaxLength(128)]
    public string Root { get; set; } = "dvis/v1";

    /// <summary>Largest JSON payload in bytes; a larger one leaves in parts. The broker's Maximum Packet Size may lower
    /// it.</summary>
    [Range(1024, 268_435_455)] public int MaxMessageBytes { get; set; } = 8192;

    /// <summary>Largest payload of masks and maps in bytes; a larger one leaves in parts.</summary>
    [Range(1024, 268_435_455)] public int MaxMaskBytes { get; set; } = 65536;

    /// <summary>Longest silence before a ping; the broker gives up after one and a half times as long.</summary>
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
        if (Username is not null && UsernameFile is not null)
            yield return new("username_file is set together with username; expected only one of them",
                [nameof(UsernameFile)]);
        if (Password is not null && PasswordFile is not null)
            yield return new("password_file is set together with password; expected only one of them",
                [nameof(PasswordFile)]);
        foreach (var verb in Commands.Allow.Except(MqttCommandOptions.Verbs))
            yield return new(
                $"commands.allow: there is no verb '{verb}', expected of {string.Join(", ", MqttCommandOptions.Verbs)}",
                [nameof(Commands)]);
        if (Backoff.Initial > Backoff.Max)
            yield return new("backoff.initial must not be longer than backoff.max", [nameof(Backoff)]);
    }

    /// <summary>Client id in use; two machines with the same node name have different ones.</summary>
    internal string ClientIdOf(string node)
    {
        if (!string.IsNullOrEmpty(ClientId)) return ClientId;
        string machine;
        try
        {
            machine = File.ReadAllText("/etc/machine-id");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            machine = Environment.MachineName;
        }

        // A hash, because the machine id itself must not leave the machine (man machine-id).
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes("dvis" + machine));
        return $"dvis-{node}-{Convert.ToHexStringLower(hash)[..8]}";
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
    /// <summary>PEM file of the trusted authorities; empty: those of the system.</summary>
    [FilePath(Exists = true)] public string? Ca { get; set; }

    /// <summary>PEM file of the client certificate, for brokers that require one.</summary>
    [FilePath(Exists = true)] public string? Cert { get; set; }

    /// <summary>PEM file of its private key, without a passphrase.</summary>
    [FilePath(Exists = true)] public string? Key { get; set; }

    /// <summary>False accepts any certificate of any host: for tests only.</summary>
    public bool Verify { get; set; } = true;
}

/// <summary>Outbox of finals, events and final masks (section <c>mqtt.outbox</c>).</summary>
public sealed class MqttOutboxOptions
{
    /// <summary>Folder of this process alone; empty: <c>$STATE_DIRECTORY/outbox</c>, which systemd sets, and without
    /// that memory only.</summary>
    [FilePath] public string? Path { get; set; }

    /// <summary>Bytes that may wait on disk; the oldest messages are dropped and counted. Files may be two MiB
    /// larger.</summary>
    [Range(65_536, 1L << 40)] public long MaxBytes { get; set; } = 256L << 20;

    /// <summary>Longest wait; older messages are dropped and counted.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "3650.00:00:00")]
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Longest time until a message is on the disk itself: a power cut loses no more than that; zero: the
    /// system decides.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan SyncInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Messages that may wait in memory, without a folder or while its disk fails; the oldest are dropped and
    /// counted.</summary>
    [Range(1, 10_000_000)] public int MemoryMessages { get; set; } = 10_000;

    /// <summary>Payload bytes that may wait in memory, likewise.</summary>
    [Range(65_536, 1L << 40)] public long MemoryBytes { get; set; } = 64L << 20;

    /// <summary>Time that acknowledged messages are kept, and sent again when the connection breaks meanwhile: a killed
    /// broker loses what it acknowledged and had not saved. Zero: none.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan KeepAcknowledged { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Most messages sent and not yet acknowledged; the broker's Receive Maximum may lower it.</summary>
    [Range(1, 65_535)] public int InFlight { get; set; } = 32;
}

/// <summary>Commands over MQTT (section <c>mqtt.commands</c>); the broker decides who may send them.</summary>
public sealed class MqttCommandOptions
{
    /// <summary>All verbs; none restarts the program or changes its configuration.</summary>
    public static IReadOnlyList<string> Verbs { get; } = ["enable", "disable", "reset_tracker"];

    /// <summary>True subscribes to <c>{root}/{node}/camera/{camera}/cmd/{verb}</c>.</summary>
    public bool Enabled { get; set; }

    /// <summary>Verbs that are executed.</summary>
    public string[] Allow { get; set; } = [.. Verbs];
}
