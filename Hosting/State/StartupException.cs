namespace Dvis.Streaming.Hosting.State;

/// <summary>The program cannot do its work; the message is one sentence for a person, without secrets.</summary>
internal sealed class StartupException(string message, Exception? inner = null) : Exception(message, inner);
