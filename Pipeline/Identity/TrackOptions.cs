using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>Rules of tracks (section <c>defaults.track</c>, overridable per camera).</summary>
public sealed class TrackOptions
{
    /// <summary>Class score from which a query is a detection; null: the model's own threshold.</summary>
    [Range(0.0, 1.0)] public double? MinScore { get; set; }

    /// <summary>
    /// Class score from which a detection may start and confirm a track; lower ones only continue tracks. Null: the
    /// model's own threshold. Never below <see cref="MinScore"/>.
    /// </summary>
    [Range(0.0, 1.0)] public double? StartScore { get; set; }

    /// <summary>Area of a mask in source pixels below which it is not a detection; 0: any.</summary>
    [Range(0.0, 1e9)] public double MinArea { get; set; }

    /// <summary>Other thresholds for some classes, by the name of the class.</summary>
    public Dictionary<string, ClassTrackOptions> Classes { get; set; } = [];

    /// <summary>Frames in a row before a tentative track becomes active; frames in which a lost one returns.</summary>
    [Range(1, 100)] public int ConfirmFrames { get; set; } = 2;

    /// <summary>Frames in a row without a detection after which an active track is published as lost.</summary>
    [Range(1, 1000)] public int LostAfter { get; set; } = 5;

    /// <summary>Time without a detection after which a track ends.</summary>
    public TimeSpan LostTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Time without a frame after which a new epoch begins.</summary>
    public TimeSpan ResetAfterGap { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Cosine similarity from which an object that returns gets its id back.</summary>
    [Range(-1.0, 1.0)] public double ReidentifySimilarity { get; set; } = 0.6;

    /// <summary>Interval of <c>updated</c> events of a track without a change; zero: none.</summary>
    public TimeSpan UpdateInterval { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Thresholds of one class (<c>track.classes.NAME</c>); null: those of section <c>track</c>.</summary>
public sealed class ClassTrackOptions
{
    /// <inheritdoc cref="TrackOptions.MinScore"/>
    [Range(0.0, 1.0)] public double? MinScore { get; set; }

    /// <inheritdoc cref="TrackOptions.StartScore"/>
    [Range(0.0, 1.0)] public double? StartScore { get; set; }

    /// <inheritdoc cref="TrackOptions.MinArea"/>
    [Range(0.0, 1e9)] public double? MinArea { get; set; }
}
