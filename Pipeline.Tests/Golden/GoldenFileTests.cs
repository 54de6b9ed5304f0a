namespace Dvis.Streaming.Pipeline.Tests.Golden;

public sealed class GoldenFileTests
{
    [Fact]
    public void Changes_LineReplacedAddedAndRemoved_AreNamedWithTheirNumbers() =>
        Assert.Equal(
            ["2: - b", "2: + B", "4: - d", "5: + f"],
            GoldenFile.Changes(["a", "b", "c", "d", "e"], ["a", "B", "c", "e", "f"]));

    [Fact]
    public void Changes_SameLines_AreNone() => Assert.Empty(GoldenFile.Changes(["a", "a", "b"], ["a", "a", "b"]));
}
