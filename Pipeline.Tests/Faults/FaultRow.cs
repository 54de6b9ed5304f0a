namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>One fault of the suite.</summary>
/// <param name="Name">Stable: tests and documents call it by this.</param>
/// <param name="Injected">What is done to the service, for the table.</param>
/// <param name="Expected">What it must do; <paramref name="RunAsync"/> checks it.</param>
internal sealed record FaultRow(string Name, string Injected, string Expected, Func<FaultRun, Task> RunAsync)
{
    /// <summary>Runs with every <c>./test</c>, not only with <c>./test --faults</c>.</summary>
    public bool Short { get; init; }
}
