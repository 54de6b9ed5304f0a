using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.State;

public sealed class RunStateTests
{
    /// <summary>An invalid configuration is reported, and the one before stays in force.</summary>
    [Fact]
    public void Reloaded_Invalid_IsNotWhatIsLoaded()
    {
        var time = new ManualTime();
        var sut = new RunState(new(), time);
        var first = time.GetUtcNow();
        Assert.Equal(first, sut.Loaded);

        sut.Reloaded(new(ReloadOutcome.Applied, first.AddSeconds(5), "cameras"));
        var invalid = new ReloadReport(ReloadOutcome.Invalid, first.AddSeconds(9), "unknown key");
        sut.Reloaded(invalid);

        Assert.Equal(first.AddSeconds(5), sut.Loaded);
        Assert.Equal(invalid, sut.Reload);
        Assert.Equal((1, 1), (sut.Reloads(ReloadOutcome.Applied), sut.Reloads(ReloadOutcome.Invalid)));
    }
}
