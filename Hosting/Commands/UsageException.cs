namespace Dvis.Streaming.Hosting.Commands;

/// <summary>The command line asks for something that is not there.</summary>
/// <param name="problems">One sentence each.</param>
internal sealed class UsageException(params IReadOnlyList<string> problems) : Exception(string.Join('\n', problems))
{
    public IReadOnlyList<string> Problems { get; } = problems;
}
