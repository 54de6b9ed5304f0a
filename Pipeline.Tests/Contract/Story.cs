using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>The contract of a camera's messages,
/// checked against all that was said and all that the source gave.</summary>
internal sealed class Story
{
    private readonly WildWorld _world;
    private readonly List<PipelineMessage> _messages;
    private readonly ProvisionalResult[] _shown;
    private readonly FinalResult[] _finals;
    private readonly LifecycleEvent[] _events;
    private readonly HashSet<string> _occurred = [];

    public Story(WildWorld world)
    {
        _world = world;
        _messages = [.. world.Messages];
        _shown = [.. _messages.OfType<ProvisionalResult>()];
        _finals = [.. _messages.OfType<FinalResult>()];
        _events = [.. _messages.OfType<LifecycleEvent>()];
    }

    /// <summary>Kinds of results and of reasons that were seen.</summary>
    public IEnumerable<string> Occurred => _occurred;

    public void Check()
    {
        CheckFrames();
        CheckEpochs();
        CheckEvents();
        _occurred.UnionWith(new ZoneStory(_events).Check());
        foreach (var epoch in _shown.GroupBy(p => p.Epoch)) CheckFinals(epoch.Key, [.. epoch]);
        foreach (var track in _events.Where(e => e is { Track: not null, Zone: null }).GroupBy(e => (e.Epoch, e.Track)))
            CheckTrack([.. track]);
    }

    /// <summary>Each frame that the source gave is shown once or was dropped and counted;
    /// none is processed twice, none made up.</summary>
    private void CheckFrames()
    {
        var ids = _shown.Select(p => p.Frame.FrameId).ToArray();
        Assert.Equal(ids.Distinct().Order(), ids);
        var given = _world.Runs.SelectMany(r => r.Given).ToDictionary(f => f.FrameId);
        Assert.All(_shown, p => Assert.Same(given[p.Frame.FrameId], p.Frame));
        Assert.Equal(_world.Segmented.Distinct().Order(), _world.Segmented);
        // What a failing tracker leaves behind was segmented and never shown: its own frame,
        // and those that wait before it.
        Assert.InRange(_world.Segmented.Length - ids.Length, 0, 3 * _world.Runs.Count(r => r.Crashed));
        foreach (var run in _world.Runs)
        {
            var shown = run.Given.Count(f => ids.Contains(f.FrameId));
            if (run.Crashed) Assert.InRange(shown + run.Dropped, 0, run.Given.Count);
            else Assert.Equal(run.Given.Count, shown + run.Dropped);
        }
    }

    /// <summary>A new epoch begins exactly where continuity was broken; no name of an epoch comes twice.</summary>
    private void CheckEpochs()
    {
        var runs = _world.Runs.SelectMany((r, i) => r.Given.Select(f => (f.FrameId, Run: i)))
            .ToDictionary(f => f.FrameId, f => f.Run);
        for (var i = 1; i < _shown.Length; i++)
        {
            var (before, now) = (_shown[i - 1].Frame, _shown[i].Frame);
            var breaks = Break(before, now);
            var restarted = runs[before.FrameId] != runs[now.FrameId];
            Assert.Equal(breaks is not null || restarted, _shown[i - 1].Epoch != _shown[i].Epoch);
            if (breaks is null || restarted) continue;
            _occurred.Add(breaks);
            Assert.Single(_events, e =>
                e.Kind == EventKind.TrackerReset && e.Epoch == _shown[i].Epoch && e.Reason == breaks && e.Frame == now);
        }

        Assert.Equal(_shown.Select(p => p.Epoch).Distinct()
            .Count(), 1 + Enumerable.Range(1, Math.Max(0, _shown.Length - 1))
            .Count(i => _shown[i - 1].Epoch != _shown[i].Epoch) - (_shown.Length == 0 ? 1 : 0));
    }

    private string? Break(FrameInfo before, FrameInfo now)
    {
        var elapsed = _world.Time.GetElapsedTime(before.ReceivedTicks, now.ReceivedTicks);
        var media = TimeSpan.FromSeconds((now.Pts - before.Pts) / 90_000.0);
        return (now.Width, now.Height) != (before.Width, before.Height) ? "resolution_change"
            : now.Session != before.Session ? "source_restarted"
            : elapsed > _world.Rig.Track.ResetAfterGap ? "gap"
            : media <= TimeSpan.Zero || media - elapsed > TimeSpan.FromSeconds(5) * (now.FrameId - before.FrameId)
            ? "clock_jump"
            : null;
    }

    /// <summary>Events of an epoch are numbered 1, 2, 3, …: a consumer sees what it missed,
    /// and knows a repetition.</summary>
    private void CheckEvents()
    {
        foreach (var series in _events.GroupBy(e => e.Series))
            Assert.Equal(Enumerable.Range(1, series.Count()).Select(i => (long)i), series.Select(e => e.Sequence)
                .Order());
    }

    private void CheckFinals(string epoch, ProvisionalResult[] shown)
    {
        Assert.All(shown, p => Assert.Distinct(p.Tracks.Select(t => t.Number)));
        var finals = _finals.Where(f => f.Epoch == epoch).ToArray();
        Assert.Equal(shown.Select(p => p.Frame), finals.SelectMany(f => f.Frames));
        Assert.Equal(shown[0].Frame.FrameId, finals[0].FirstFrame);
        for (var i = 0; i < finals.Length; i++)
        {
            if (i > 0) Assert.Equal(finals[i - 1].LastFrame + 1, finals[i].FirstFrame);
            Assert.Equal(finals[i].Frames[^1].FrameId, finals[i].LastFrame);
            Assert.NotEmpty(finals[i].Frames);
            // The last word comes after the first, and before the next epoch's last word.
            var at = _messages.IndexOf(finals[i]);
            Assert.True(at > _messages.IndexOf(shown.Last(p => p.Frame.FrameId <= finals[i].LastFrame)));
            Assert.DoesNotContain(_messages.Take(at), m => m is FinalResult f && f.FirstFrame > finals[i].LastFrame);
            CheckFinal(finals[i], at);
        }

        // "Final through frame n" is never said before it is so.
        foreach (var result in shown.Where(p => p.FinalThroughFrame >= 0))
            Assert.Contains(_messages.Take(_messages.IndexOf(result)), m =>
                m is FinalResult f && f.Epoch == epoch && f.LastFrame == result.FinalThroughFrame);
    }

    private void CheckFinal(FinalResult final, int at)
    {
        _occurred.Add(final.Kind.ToString());
        _occurred.Add(final.Reason.ToString());
        var said = _messages.Take(at).ToArray();
        var announced = said.OfType<LifecycleEvent>().Where(e =>
            e.Epoch == final.Epoch && e.Kind == EventKind.TrackStarted).Select(e => e.Track!.Value).ToHashSet();
        if (final.Retracted.Length > 0) _occurred.Add("Retracted");
        foreach (var number in final.Retracted) Assert.Contains(number, announced);
        foreach (var change in final.Identity)
        {
            _occurred.Add("Merge");
            foreach (var number in (long[])[.. change.From, change.Into]) Assert.Contains(number, announced);
            Assert.InRange(change.AtFrame, final.FirstFrame, final.LastFrame);
            Assert.Contains(said, m => m is LifecycleEvent { Kind: EventKind.TrackIdentityChanged } e
                && e.Epoch == final.Epoch && e.Track == change.From[0] && e.Into == change.Into);
        }

        var tracks = final.Tracks.Select(t => t.Number).ToArray();
        Assert.Equal(tracks.Distinct().Order(), tracks);
        Assert.Empty(tracks.Intersect(final.Retracted));
        var labels = _world.Rig.Publish.Labels;
        Assert.All(final.Tracks, t =>
            Assert.True(labels.Length == 0 || labels.Contains(_world.Rig.Settings.Label(t.ClassId))));
        foreach (var number in tracks.Where(n =>
            !_events.Any(e => e.Epoch == final.Epoch && e.Kind == EventKind.TrackStarted && e.Track == n)))
        {
            // Only the refiner found it to be of a class that is published: nothing provisional ever named it.
            Assert.NotEmpty(labels);
            Assert.DoesNotContain(_shown, p => p.Epoch == final.Epoch && p.Tracks.Any(t => t.Number == number));
            _occurred.Add("Revealed");
        }

        foreach (var track in final.Tracks)
        {
            Assert.Subset(final.Frames.Select(f => f.FrameId).ToHashSet(), track.Frames.Select(f => f.FrameId)
                .ToHashSet());
            Assert.Equal(track.Frames.Select(f => f.FrameId).Distinct().Order(), track.Frames.Select(f => f.FrameId));
        }
    }

    /// <summary>Started once, first; ended or found to be another once;
    /// finalized exactly when it ended, last.</summary>
    private static void CheckTrack(LifecycleEvent[] story)
    {
        story = [.. story.OrderBy(e => e.Sequence)];
        Assert.Equal(EventKind.TrackStarted, story[0].Kind);
        Assert.Single(story, e => e.Kind == EventKind.TrackStarted);
        var over = Assert.Single(story, e => e.Kind is EventKind.TrackEnded or EventKind.TrackIdentityChanged);
        var finalized = story.Count(e => e.Kind == EventKind.TrackFinalized);
        Assert.Equal(over.Kind == EventKind.TrackEnded ? 1 : 0, finalized);
        if (finalized > 0) Assert.Equal(EventKind.TrackFinalized, story[^1].Kind);
        Assert.DoesNotContain(story.SkipWhile(e => e != over), e =>
            e.Kind is EventKind.TrackLost or EventKind.TrackUpdated);
    }
}
