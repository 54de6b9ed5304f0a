namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>The official numbers of VIPSeg, each 0 … 1; NaN where the data set has nothing to ask for.</summary>
/// <param name="Vpq">Mean over the windows, of all categories.</param>
public sealed record PanopticReport(double Vpq, double VpqThings, double VpqStuff, IReadOnlyList<VpqReport> Windows,
    StqReport Stq);

/// <summary>VPQ with windows of so many frames.</summary>
/// <param name="PerCategory">Those that occur.</param>
public sealed record VpqReport(int Window, PanopticScore All, PanopticScore Things, PanopticScore Stuff,
    IReadOnlyList<(Category Category, PanopticScore Score)> PerCategory);

/// <param name="Pq">Panoptic quality = <paramref name="Sq"/> · <paramref name="Rq"/> of a single category.</param>
/// <param name="Sq">Mean IoU of the matched tubes.</param>
/// <param name="Rq">F1 of the matching.</param>
/// <param name="Categories">Categories in the mean.</param>
public readonly record struct PanopticScore(double Pq, double Sq, double Rq, int Categories);

/// <param name="Stq">√(AQ · IoU).</param>
/// <param name="Aq">Association quality of things.</param>
/// <param name="IoU">Mean over classes.</param>
public sealed record StqReport(double Stq, double Aq, double IoU, IReadOnlyList<VideoStq> PerVideo);

/// <inheritdoc cref="StqReport"/>
public sealed record VideoStq(string Video, int Frames, double Stq, double Aq, double IoU);
