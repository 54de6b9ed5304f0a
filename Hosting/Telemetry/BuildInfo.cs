using System.Reflection;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Which build this is.</summary>
internal static class BuildInfo
{
    private static readonly string[] Parts = (typeof(BuildInfo).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0").Split('+');

    public static string Version => Parts[0];

    /// <summary>Of the source, short; empty when it was built outside a repository.</summary>
    public static string Commit { get; } = Parts.Length > 1 ? Parts[1][..Math.Min(12, Parts[1].Length)] : "";

    /// <summary>Major version of the MQTT contract.</summary>
    public const string Schema = "1.0";
}
