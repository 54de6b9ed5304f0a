namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Exit codes of the process, for systemd, container runtimes and scripts.</summary>
public static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The run failed; another try may succeed.</summary>
    public const int Failed = 1;

    /// <summary>Configuration or usage is wrong; another try will fail again.</summary>
    public const int Usage = 2;
}
