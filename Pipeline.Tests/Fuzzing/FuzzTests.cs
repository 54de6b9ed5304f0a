using Dvis.Streaming.Benchmarks.Fuzzing;

namespace Dvis.Streaming.Pipeline.Tests.Fuzzing;

/// <summary>
/// Short fuzzing: untrusted files and streams end in a result or in the one declared exception, within
/// bounds of time and memory. <c>bench fuzz</c> is the long form.
/// </summary>
public sealed class FuzzTests : IDisposable
{
    private readonly FuzzTargets _targets = new();

    public static TheoryData<string> Names { get; } = [.. Read()];

    [Theory]
    [MemberData(nameof(Names))]
    public void Seeds_OfEachReader_AreRead(string name)
    {
        var (target, seeds) = (Target(name), FuzzCorpus.Of(name));

        Assert.NotEmpty(seeds);
        foreach (var seed in seeds) target.Read(seed);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Regressions_OfEachReader_AreRefusedOrRead(string name)
    {
        var run = new FuzzRun(Target(name), 1);

        foreach (var input in FuzzCorpus.Regressions(name)) run.One(input);

        Assert.Empty(run.Run(0, TimeSpan.Zero).Findings);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Run_ChangedInputs_BreakNothing(string name)
    {
        var report = new FuzzRun(Target(name), 20261120).Run(600, TimeSpan.FromMinutes(2));

        Assert.Empty(report.Findings);
        Assert.InRange(report.Ways, 4, int.MaxValue);
    }

    [Fact]
    public void Run_AnExceptionThatIsNotDeclared_IsFound()
        => Assert.Contains(Find(input =>
        {
            if (input.Length % 3 == 1) throw new InvalidOperationException("not declared");
            throw new FormatException("declared");
        }), f => f.Where.StartsWith("InvalidOperationException", StringComparison.Ordinal));

    [Fact]
    public void Run_TooMuchMemory_IsFound() =>
    Assert.Contains(Find(input => GC.KeepAlive(new byte[input.Length % 5 == 1 ? 64 << 20 : 1])), f =>
        f.Where == "memory");

    [Fact]
    public void Run_TooMuchTime_IsFound()
    {
        var (x, inputs) = (1u, 0);

        var found = Find(_ =>
        {
            if (++inputs != 10) return;
            for (var i = 0L; i < 200_000_000; i++) x = x * 1664525 + 1013904223;
        });

        Assert.True(x != 0);
        Assert.Contains(found, f => f.Where == "time");
    }

    [Fact]
    public void Run_SameSeed_MakesTheSameInputs()
    {
        Assert.Equal(Inputs(5), Inputs(5));
        Assert.NotEqual(Inputs(5), Inputs(6));

        string[] Inputs(int seed)
        {
            var seen = new List<string>();
            new FuzzRun(new FuzzTarget("rle", input => seen.Add(Convert.ToHexString(input)), [], ["word"]), seed)
                .Run(200, TimeSpan.FromMinutes(1));
            return [.. seen];
        }
    }

    public void Dispose() => _targets.Dispose();

    /// <summary>What is found in a reader that is wrong on purpose.</summary>
    private static IReadOnlyList<FuzzFinding> Find(Action<byte[]> read)
        => new FuzzRun(new FuzzTarget("rle", read, [typeof(FormatException)], [])
        {
            Allowance = 1 << 20,
            Time = TimeSpan.FromMilliseconds(20)
        }, 1).Run(300, TimeSpan.FromMinutes(2)).Findings;

    private static IEnumerable<string> Read()
    {
        using var targets = new FuzzTargets();
        return targets.All.Select(t => t.Name);
    }

    private FuzzTarget Target(string name) => _targets.All.Single(t => t.Name == name);
}
