namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>Address of a broker.</summary>
public sealed record MqttServer(string Host, int Port, bool Tls)
{
    /// <returns>Null when the text is not <c>mqtt://host[:port]</c> or <c>mqtts://host[:port]</c>.</returns>
    public static MqttServer? TryParse(string? text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri)) return null;
        if (uri.Scheme is not ("mqtt" or "mqtts") || uri.DnsSafeHost.Length == 0) return null;
        // A password in the address would appear in every message about it.
        if (uri.UserInfo.Length > 0 || uri.PathAndQuery is not ("" or "/") || uri.Fragment.Length > 0) return null;
        var tls = uri.Scheme == "mqtts";
        return new(uri.DnsSafeHost, uri.Port > 0 ? uri.Port : tls ? 8883 : 1883, tls);
    }

    public override string ToString()
    {
        var host = Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host;
        return $"{(Tls ? "mqtts" : "mqtt")}://{host}:{Port}";
    }
}
