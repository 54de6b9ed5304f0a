namespace Dvis.Streaming.Pipeline.Evaluation;

/// <summary>A truth or results file that cannot be scored; the message is one sentence with file, entry and field.</summary>
public sealed class EvaluationException(string message, Exception? inner = null) : Exception(message, inner);
