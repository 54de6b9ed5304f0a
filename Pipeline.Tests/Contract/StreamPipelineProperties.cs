using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using FsCheck;
using FsCheck.Fluent;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>
/// What a consumer may rely on, whatever happens on the way: objects that flicker, stalls, broken connections, other
/// resolutions, overload, deadlines, graphs that fail, stops and new starts. Answers the complaints that a frame is
/// processed twice, that ids are used again, that a restart leaves tracks open, and that a revision takes back what was
/// never said.
/// </summary>
public sealed class StreamPipelineProperties
{
    // Where nothing is revised, and where a revision runs no graph and so is never late.
    private static readonly string[] s_revised =
        ["Refined", "Skipped", "Overload", "Deadline", "Gap", "Reset", "End", "Error", "Retracted", "Revealed"];

    public static TheoryData<string, string[]> Methods => new()
    {
        { "dvis", [] }, { "minvis", s_revised }, { "genvis online", s_revised },
        { "genvis", ["Passthrough", "Disabled", "Skipped", "Overload"] },
        { "refinevis", ["Disabled", "Merge"] }, { "refinevis online", [.. s_revised, "Merge"] },
        { "vita", ["Disabled"] }, { "vita online", s_revised },
    };

    [Theory, MemberData(nameof(FakeMethods.Names), MemberType = typeof(FakeMethods))]
    public void RunAsync_AnySchedule_KeepsTheContract(string method)
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(50), Prop.ForAll(
            ArbMap.Default.ArbFor<NonNegativeInt>(), ArbMap.Default.ArbFor<int[]>(),
            (seed, schedule) => RunAsync(seed.Get, method, schedule).GetAwaiter().GetResult()));

    /// <param name="impossible">What the method cannot do.</param>
    [Theory, MemberData(nameof(Methods))]
    public async Task RunAsync_LongSchedules_KeepTheContract(string method, string[] impossible)
    {
        // A storm in which nothing happened would prove nothing; what is rare may take a few more of them.
        string[] expected =
        [
            "cut", "stop", "crash", "queue_full", "stale", "rate_limit", "gap", "source_restarted", "resolution_change",
                "clock_jump",
            "Refined", "Passthrough", "Skipped", "Overload", "Deadline", "Disabled", "Gap", "Reset", "End", "Error",
                "Retracted", "Merge", "Revealed",
                "TrackZoneEntered", "TrackZoneLeft", "TrackLineCrossed",
        ];
        expected = [.. expected.Except(impossible)];
        var occurred = new HashSet<string>();
        for (var seed = 0; seed < 40 || (seed < 400 && expected.Except(occurred).Any()); seed++)
        {
            var random = new Random(seed);
            occurred.UnionWith(await RunAsync(seed, method, [.. Enumerable.Range(0, 120).Select(_ => random.Next())]));
        }

        Assert.Empty(expected.Except(occurred));
    }

    private static async Task<IEnumerable<string>> RunAsync(int seed, string method, int[] schedule)
    {
        using var world = new WildWorld(seed, method, schedule);
        await world.RunAsync();
        var story = new Story(world);
        story.Check();
        return [.. world.Occurred, .. story.Occurred];
    }
}
