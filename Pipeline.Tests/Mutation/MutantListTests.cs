using Dvis.Streaming.Benchmarks.Mutation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Mutation;

/// <summary>The list of deliberate faults fits the sources as they are, so that <c>bench mutate</c> can run any time.
/// </summary>
public sealed class MutantListTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void List_EveryFault_ChangesTheSourcesInOnePlace()
    {
        var mutants = Mutant.ReadList(Repo.Path("Benchmarks/Mutation/mutants.txt"));

        Assert.InRange(mutants.Count, 64, int.MaxValue);
        Assert.All(mutants, mutant =>
        {
            var text = File.ReadAllText(Repo.Path(mutant.File));
            Assert.NotEqual(text, mutant.Apply(text));
        });
    }

    [Fact]
    public void Apply_OldLinesOnce_KeepsTheIndentation()
    {
        var mutant = Read("# a\nfile: x/y.py\ntests: t\n- if a:\n- b()\n+ if not a:\n");

        Assert.Equal("x\n  if not a:\nd\n", mutant.Apply("x\n  if a:\n    b()\nd\n"));
        Assert.Equal((true, "x"), (mutant.IsPython, mutant.Project));
    }

    [Theory]
    [InlineData("a\nb\na\n", "occur 2 times")]
    [InlineData("b\n", "occur 0 times")]
    public void Apply_OldLinesNotOnce_Throws(string text, string says)
    {
        var e = Assert.Throws<FormatException>(() => Read("# n\nfile: f\ntests: t\n- a\n+ c\n").Apply(text));

        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("# a\nfile: f\n- x\n", "lacks")]
    [InlineData("# a\nfile: f\ntests: t\n- x\n\n# a\nfile: f\ntests: t\n- x\n", "twice")]
    [InlineData("# a\nfile: f\ntest: t\n- x\n", "'test: t'")]
    public void ReadList_Mistake_NamesIt(string text, string says) =>
        Assert.Contains(says, Assert.Throws<FormatException>(() => Read(text)).Message, StringComparison.Ordinal);

    private Mutant Read(string text)
    {
        File.WriteAllText(_folder.Path("list"), text);
        return Assert.Single(Mutant.ReadList(_folder.Path("list")));
    }
}
