namespace Dvis.Streaming.Hosting.Commands;

/// <summary>What the process tells systemd, a container runtime or a script.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>It ran, or tried to, and failed: worth another try.</summary>
    public const int Failed = 1;

    /// <summary>Configuration or usage is wrong: another try will fail again.</summary>
    public const int Usage = 2;
}
