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

/// <summary>The program cannot do its work; the message is one sentence for a person, without secrets.</summary>
internal sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The command line asks for something that is not there.</summary>
/// <param name="problems">One sentence each.</param>
internal sealed class UsageException(params IReadOnlyList<string> problems) : Exception(string.Join('\n', problems))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}
