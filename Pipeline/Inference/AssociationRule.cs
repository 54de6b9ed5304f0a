namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Settings of the association of a RefineVIS model; the defaults are IDOL's.</summary>
public sealed record AssociationRule
{
    /// <summary>Class score above which a query is a detection; 0.05 on YouTube-VIS.</summary>
    public double Select { get; init; } = 0.1;

    /// <summary>Mask IoU above which a detection is removed in favour of one with a better score.</summary>
    public double NmsPre { get; init; } = 0.5;

    /// <summary>Score above which a detection without a match begins a tracklet.</summary>
    public double AddNew { get; init; } = 0.2;

    /// <summary>As <see cref="AddNew"/>, in a frame in which there are no tracklets.</summary>
    public double Init { get; init; } = 0.2;

    /// <summary>Similarity above which a detection continues a tracklet.</summary>
    public double Match { get; init; } = 0.5;

    /// <summary>Mask IoU with a better detection from which a rest detection is not background.</summary>
    public double NmsPost { get; init; } = 0.05;

    /// <summary>Frames without a detection after which a tracklet leaves the memory.</summary>
    public int ForgetAfter { get; init; } = 10;

    public TrackletMemory Memory { get; init; } = TrackletMemory.Weighted;

    /// <summary>Embeddings that a weighted memory has of each tracklet, at most.</summary>
    public int MemoryLength { get; init; } = 3;

    /// <summary>Share of the newest embedding in <see cref="TrackletMemory.Momentum"/>.</summary>
    public double Momentum { get; init; } = 0.8;
}

/// <summary>Form of a tracklet's memory.</summary>
public enum TrackletMemory
{
    /// <summary>
    /// Mean of the last embeddings, weighted by score and by time; of several similar tracklets one that was seen in
    /// more frames is preferred.
    /// </summary>
    Weighted,

    /// <summary>Exponential mean of all embeddings, without preference.</summary>
    Momentum,
}
