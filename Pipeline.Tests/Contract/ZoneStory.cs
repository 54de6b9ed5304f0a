using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>The contract of the events of zones and lines, checked against all events of a camera.</summary>
internal sealed class ZoneStory(IEnumerable<LifecycleEvent> events)
{
    private readonly Dictionary<string, LifecycleEvent> _open = [];

    /// <summary>Each provisional event is answered once, later, whatever happens to the pipeline.</summary>
    /// <returns>Kinds of events that were seen.</returns>
    public HashSet<string> Check()
    {
        var seen = new HashSet<string>();
        foreach (var e in events)
        {
            if (e.Zone is null) continue;
            seen.Add(e.Kind.ToString());
            CheckAnswer(e, e.Zone);
        }

        Assert.Empty(_open);
        return seen;
    }

    private void CheckAnswer(LifecycleEvent e, ZoneFacts zone)
    {
        if (zone.Basis == ZoneBasis.Provisional) _open.Add(e.Id, e);
        else if ((zone.Confirms ?? zone.Retracts) is { } answered)
        {
            Assert.True(_open.Remove(answered, out var asked));
            Assert.Equal((asked.Epoch, asked.Zone!.Name), (e.Epoch, zone.Name));
            if (zone.Confirms is not null) Assert.Equal(asked.Kind, e.Kind);
        }
    }
}
