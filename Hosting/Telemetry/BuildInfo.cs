using System.Reflection;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Identity of the build.</summary>
internal static class BuildInfo
{
    private static readonly string[] s_parts = (typeof(BuildInfo).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+');

    public static string Version => s_parts[0];

    /// <summary>Short commit of the source; empty when built outside a repository.</summary>
    public static string Commit { get; } = s_parts.Length > 1 ? s_parts[1][..Math.Min(12, s_parts[1].Length)] : "";

    /// <summary>Major version of the MQTT contract.</summary>
    public const string Schema = "1.0";
}
