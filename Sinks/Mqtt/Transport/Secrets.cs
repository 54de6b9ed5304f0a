using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>User name and password of one attempt. Not a record: its text must never show them.</summary>
public sealed class Secrets
{
    public string? Username { get; private init; }

    public string? Password { get; private init; }

    /// <summary>Reads the files named in <paramref name="options"/>, or takes the values.
    /// Null when all is well.</summary>
    public static MqttOutcome? Read(MqttOptions options, out Secrets secrets)
    {
        secrets = new();
        try
        {
            secrets = new()
            {
                Username = options.UsernameFile is { } user ? ReadFile(user) : options.Username,
                Password = options.PasswordFile is { } password ? ReadFile(password) : options.Password,
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(MqttFault.Config, e.Message);
        }

        foreach (var file in (string?[])[options.Tls.Ca, options.Tls.Cert, options.Tls.Key])
            if (file is not null && !File.Exists(file))
                return new(MqttFault.Config, $"file not found: {file}");
        return null;
    }

    // One newline at the end is the editor's, not the password's.
    private static string ReadFile(string path)
    {
        var text = File.ReadAllText(path);
        if (text.EndsWith('\n')) text = text[..^1];
        return text.EndsWith('\r') ? text[..^1] : text;
    }
}
