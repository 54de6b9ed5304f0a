using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Thresholds from which a query is a detection and may start a track, by class id.</summary>
internal sealed class DetectionThresholds
{
    private readonly double[] _minScores, _startScores, _minAreas;

    /// <summary>The rules of each class: its own, else the camera's, else the model's.</summary>
    public DetectionThresholds(TrackOptions track, ModelManifest manifest)
    {
        ClassTrackOptions none = new();
        var rules = manifest.Classes.Select(c => track.Classes.GetValueOrDefault(c.Name) ?? none).ToList();
        _minScores = [.. rules.Select(r => r.MinScore ?? track.MinScore ?? manifest.MinScore)];
        _startScores = [.. rules.Zip(_minScores, (r, least) =>
            Math.Max(least, r.StartScore ?? track.StartScore ?? manifest.StartScore))];
        _minAreas = [.. rules.Select(r => r.MinArea ?? track.MinArea)];
    }

    /// <summary>Class score from which a query is a detection.</summary>
    public double MinScore(int classId) => _minScores[classId];

    /// <summary>Class score from which a detection may start a track; at least <see cref="MinScore"/>.</summary>
    public double StartScore(int classId) => _startScores[classId];

    /// <summary>Area of a mask in source pixels below which it is not a detection; 0: any.</summary>
    public double MinArea(int classId) => _minAreas[classId];
}
