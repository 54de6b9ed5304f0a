using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Delivery;

public sealed class RepeatedReportTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Pass_EventOfADay_HasLinesAtGrowingPauses()
    {
        var report = new RepeatedReport(_time);
        var lines = new List<int>();
        for (var second = 0; second < 86_400; second++)
        {
            if (report.Pass()) lines.Add(second);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1623, 2223], lines.Take(13));
        Assert.InRange(lines.Count, 150, 160);
    }

    [Fact]
    public void Pass_EventAwayForAMinute_IsNew_AndNotBefore()
    {
        var report = new RepeatedReport(_time);
        for (var i = 0; i < 64; i++)
        {
            report.Pass();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        _time.Advance(TimeSpan.FromSeconds(58));
        Assert.False(report.Pass()); // the next line is due 64 s after the last
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.True(report.Pass());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(report.Pass());
    }
}
