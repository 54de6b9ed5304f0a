using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>
/// The fault suite: the service with real ffmpeg, real Mosquitto and cameras that misbehave, one fault after the other.
/// A few run with every <c>./test</c>, all of them with <c>./test --faults</c>, which prints the table of
/// <c>docs/internal/reliability.md</c>.
/// </summary>
[Collection(nameof(Alone))]
public sealed class FaultSuiteTests(FaultTable table) : IClassFixture<FaultTable>
{
    // "all", or names with commas between; nothing: the short form.
    private static readonly string[] s_chosen = (Environment.GetEnvironmentVariable("DVIS_FAULTS") ?? "")
        .Split(',', StringSplitOptions.RemoveEmptyEntries);

    internal static readonly bool Chosen = s_chosen.Length > 0;

    internal static IReadOnlyList<FaultRow> Rows { get; } =
    [
        .. CameraFaults.Rows, .. ClockFaults.Rows, .. NetworkFaults.Rows, .. FileFaults.Rows, .. BrokerFaults.Rows,
        .. ProcessFaults.Rows, .. FieldFaults.Rows, .. StartFaults.Rows,
    ];

    public static TheoryData<string> Names =>
        [.. Rows.Where(r => Chosen ? s_chosen[0] == "all" || s_chosen.Contains(r.Name) : r.Short).Select(r => r.Name)];

    [Theory(Timeout = 300_000), MemberData(nameof(Names))]
    public async Task Fault(string name)
    {
        var row = Rows.Single(r => r.Name == name);
        await using var run = new FaultRun();
        try
        {
            await row.RunAsync(run);
            await run.EndAsync();
        }
        catch (Exception e) when (e is not Xunit.Sdk.SkipException)
        {
            throw new InvalidOperationException(
                $"{row.Name}: expected: {row.Expected}; observed: {run.Observed}\n{run.Tail}\n{e.Message}", e);
        }

        table.Add(row, run.Observed, run.Recovery, run.Lost);
    }

    [Fact]
    public void Rows_HaveNamesOfTheirOwn()
    {
        Assert.Equal(Rows.Count, Rows.Select(r => r.Name).Distinct().Count());
        Assert.True(Rows.Count >= 40);
        Assert.All(Rows, r => Assert.Matches("^[a-z0-9-]+$", r.Name));
    }
}
