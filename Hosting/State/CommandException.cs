namespace Dvis.Streaming.Hosting.State;

/// <summary>Failure of a command: one sentence for a person, without secrets.</summary>
internal sealed class CommandException(int exitCode, string message, Exception? inner = null)
    : Exception(message, inner)
{
    public int ExitCode => exitCode;
}
