using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>The world of <see cref="FakeDvis"/> seen by each method.</summary>
internal static class FakeMethods
{
    public static TheoryData<string> Names => new(
        "dvis", "minvis", "genvis", "genvis online", "refinevis", "refinevis online", "vita", "vita online");

    public static ModelGraphs Models(string method, FakeDvis fake) => method switch
    {
        "dvis" => fake.Models(),
        "minvis" => fake.MinVisModels(),
        "genvis" => new FakeGenVis(3, fake.Segmenter).Models(),
        "genvis online" => new FakeGenVis(1, fake.Segmenter).Models(),
        "refinevis" => new FakeRefineVis(fake.Segmenter).Models(),
        "refinevis online" => new FakeRefineVis(fake.Segmenter).Models(revises: false),
        "vita" => new FakeVita(fake.Segmenter, fake.Matcher).Models(),
        "vita online" => new FakeVita(fake.Segmenter, fake.Matcher).Models(revises: false),
        _ => throw new ArgumentOutOfRangeException(nameof(method), method, null),
    };

    /// <summary>What finals are when nothing goes wrong.</summary>
    public static FinalKind Final(string method)
        => method is "dvis" or "genvis" or "refinevis" or "vita" ? FinalKind.Refined : FinalKind.Passthrough;
}
