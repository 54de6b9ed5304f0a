using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>One class of a data set.</summary>
/// <param name="Id">As the data set counts; not an index.</param>
/// <param name="IsThing">Countable objects; false for stuff.</param>
public sealed record Category(int Id, string Name, bool IsThing = true);

/// <summary>One video of a data set in YouTube-VIS form.</summary>
/// <param name="Length">Frames.</param>
/// <param name="FileNames">One a frame, relative to the picture folder; empty when the file names none.</param>
public sealed record VideoInfo(long Id, int Width, int Height, int Length, IReadOnlyList<string> FileNames);

/// <summary>An annotated object of one video.</summary>
/// <param name="Masks">One a frame of the video; null where the object is not seen.</param>
/// <param name="MeanArea">Mean of the annotated areas that are not 0, in pixels;
/// decides small, medium or large.</param>
public sealed record TruthInstance(long Id, int CategoryId, bool IsCrowd, IReadOnlyList<RunLengthMask?> Masks,
    double MeanArea)
{
    /// <summary>With the area measured on the masks.</summary>
    public TruthInstance(long id, int categoryId, bool isCrowd, IReadOnlyList<RunLengthMask?> masks)
        : this(id, categoryId, isCrowd, masks, MeanOf(masks))
    {
    }

    /// <summary>How much of it is hidden, as the data set groups its objects (OVIS); null when it does not.</summary>
    public string? Occlusion { get; init; }

    /// <summary>Neither asked for nor wrong to find: an object of a group that is not scored.</summary>
    public bool IsIgnored { get; init; }

    internal static double MeanOf(IEnumerable<RunLengthMask?> masks) =>
        masks.Select(m => m?.Area ?? 0).Where(a => a > 0).DefaultIfEmpty().Average();
}

/// <summary>An object found in one video.</summary>
/// <param name="Score">Confidence; only the order counts.</param>
/// <param name="Masks">One a frame of the video; null where the object is not seen. All of the frame's size.</param>
public sealed record PredictedInstance(int CategoryId, double Score, IReadOnlyList<RunLengthMask?> Masks);
