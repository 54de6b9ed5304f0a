namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>A truth or results file that cannot be scored;
/// the message is one sentence with file, entry and field.</summary>
public sealed class EvaluationException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>True when the request is wrong as it stands, so that another try will fail again.</summary>
    public bool IsUsage { get; init; }
}
