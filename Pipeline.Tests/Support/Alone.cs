namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Collection of the tests that measure the whole process:
/// they run one after another, after all others.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
