namespace Dvis.Streaming.Hosting.State;

/// <summary>Exit codes of the process, for systemd, container runtimes and scripts.</summary>
internal static class ExitCode
{
    public const int Ok = 0;

    /// <summary>The run failed; another try may succeed.</summary>
    public const int Failed = 1;

    /// <summary>Configuration or usage is wrong; another try will fail again.</summary>
    public const int Usage = 2;
}

/// <summary>Failure of a command: one sentence for a person, without secrets.</summary>
internal sealed class CommandException(int exitCode, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public int ExitCode => exitCode;
}
