using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Clocks;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

public sealed class ArrivalClockTests
{
    private readonly ArrivalClock _sut = new(new ManualTime());

    /// <summary>The delay grows by 0.1 s: frames are late by that until the faster ones are ten seconds old.</summary>
    [Fact]
    public void Lateness_LeastDelayIsOlderThanTenSeconds_CountsNoMore()
    {
        for (var t = 0.0; t < 5; t += 0.1) Assert.Equal(0, Late(t, delay: 0), 3);

        for (var t = 5.0; t < 14; t += 0.1) Assert.Equal(0.1, Late(t, delay: 0.1), 3);
        for (var t = 15.5; t < 30; t += 0.1) Assert.Equal(0, Late(t, delay: 0.1), 3);
    }

    private double Late(double arrival, double delay)
        => _sut.Lateness(arrival - delay, ManualTime.Ticks(TimeSpan.FromSeconds(arrival))).TotalSeconds;
}
