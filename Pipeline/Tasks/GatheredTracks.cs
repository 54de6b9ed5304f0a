using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Observations of a final window by number, of tracks or of classes. Reused; not thread-safe.</summary>
internal sealed class GatheredTracks
{
    private readonly SortedDictionary<long, Gathered> _tracks = [];

    public void Clear() => _tracks.Clear();

    public Gathered Of(long number)
    {
        if (!_tracks.TryGetValue(number, out var track)) _tracks[number] = track = new Gathered();
        return track;
    }

    /// <summary>Those that are visible in any frame, by number.</summary>
    /// <param name="said">Class that the provisional results gave a number at last, or null.</param>
    public ImmutableArray<FinalTrack> Build(Func<long, int?> said)
    {
        var tracks = ImmutableArray.CreateBuilder<FinalTrack>();
        foreach (var (number, gathered) in _tracks)
        {
            if (!gathered.Visible) continue;
            var provisional = said(number);
            tracks.Add(new FinalTrack(
                number, gathered.ClassId, gathered.Score, provisional == gathered.ClassId ? null : provisional, gathered.Observations.DrainToImmutable()));
        }

        return tracks.DrainToImmutable();
    }

    internal sealed class Gathered
    {
        public ImmutableArray<FinalObservation>.Builder Observations { get; } = ImmutableArray.CreateBuilder<FinalObservation>();

        public bool Visible { get; private set; }

        public int ClassId { get; private set; }

        public float Score { get; private set; } = -1;

        public long LastFrame { get; private set; } = -1;

        public void Add(FinalObservation observation, int classId, float score)
        {
            Observations.Add(observation);
            Visible |= observation.Visible;
            LastFrame = observation.FrameId;
            if (score > Score) (ClassId, Score) = (classId, score);
        }
    }
}
