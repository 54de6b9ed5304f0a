using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Identity;

/// <summary>A world on a strip of 100 cells, ten frames a second; every object is ten cells wide.</summary>
internal sealed class TrackManagerRig
{
    private const int Classes = 2;
    private readonly int _queries, _looks;
    private long _frame;
    private double _seconds;

    public TrackManagerRig(int queries = 4, int looks = 8, TrackOptions? options = null, double startScore = 0)
    {
        (_queries, _looks) = (queries, looks);
        Epoch = new Epoch("epoch");
        Tracks = new TrackManager(Epoch, queries, Classes, looks, options ?? new TrackOptions(),
            c => Changes.Add(new Change(c.Kind, c.Track.Identity.Number, c.Reason, c.Into?.Identity.Number, c.Summary,
                c.Track.ClassId)),
            _ => startScore);
    }

    /// <summary>Seconds from frame to frame.</summary>
    public double Step { get; init; } = 0.1;

    /// <summary>Number of the object in each slot by the method; null: it has none.</summary>
    public long[]? Tracklets { get; init; }

    public Epoch Epoch { get; }

    public TrackManager Tracks { get; }

    public List<Change> Changes { get; } = [];

    /// <summary>Kinds of the changes, with the track's number: "TrackStarted 1".</summary>
    public IEnumerable<string> Story => Changes.Select(c => $"{c.Kind} {c.Track}");

    public long FrameId => _frame;

    public void See(params Sighting[] sightings)
    {
        _frame++;
        _seconds += Step;
        var probabilities = new float[_queries * (Classes + 1)];
        var embeds = new float[_queries * _looks];
        var candidates = new List<Candidate>();
        foreach (var s in sightings)
        {
            var strip = new float[100];
            strip.AsSpan().Fill(-1);
            strip.AsSpan(s.At, 10).Fill(1);
            var bits = new MaskBits();
            bits.Assign(strip);
            candidates.Add(new Candidate(s.Slot, candidates.Count, s.Class, s.Score, bits));
            probabilities[s.Slot * (Classes + 1) + s.Class] = s.Score;
            embeds[s.Slot * _looks + s.Look] = 1;
            if (s.Also is { } other) embeds[s.Slot * _looks + other] = 1;
        }

        Tracks.Update(Some.FrameInfo(100, 1, _frame), _seconds, candidates, probabilities, embeds,
            Tracklets);
    }

    public void See(int frames, params Sighting[] sightings)
    {
        for (var i = 0; i < frames; i++) See(sightings);
    }

    /// <summary>Number of the track seen in a slot in the last frame; null when none was.</summary>
    public long? In(int slot) => Tracks.SeenIn(slot)?.Identity.Number;

    /// <param name="Look">Its embedding is 1 there, and 1 at <paramref name="Also"/>:
    /// half way between two looks.</param>
    internal sealed record Sighting(int Slot, int At, int Look, int Class = 0, float Score = 0.9f, int? Also = null);

    internal sealed record Change(EventKind Kind, long Track, string? Reason, long? Into, TrackSummary? Summary,
        int ClassId);
}
