namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Task of a model: what its results are.</summary>
public enum ModelTask
{
    /// <summary>Video instance segmentation: tracks of objects.</summary>
    Vis,

    /// <summary>Video panoptic segmentation: tracks of things, regions of stuff, a map of the frame.</summary>
    Vps,

    /// <summary>Video semantic segmentation: a region per class, a map of the frame, no tracks.</summary>
    Vss,
}
