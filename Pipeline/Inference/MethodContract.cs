namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Official score of an instance of a whole video, by its class.</summary>
public enum ScoringRule
{
    /// <summary>Softmax of the mean of the frames' logits (DVIS, MinVIS).</summary>
    MeanLogits,

    /// <summary>Mean over a tracklet's detections; each class above 0.05 makes an entry (IDOL, RefineVIS).</summary>
    MeanOverDetections,

    /// <summary>Maximum over the clips of their softmax, times the mask's mean probability (GenVIS).</summary>
    MaxSoftmaxMaskQuality,

    /// <summary>Softmax of the video's logits, times the mean of the mask's own probabilities (VITA).</summary>
    MaskQuality,
}

/// <summary>
/// Graphs of a network family with their tensors, declared only here; a manifest names its family in the key
/// <c>method</c>.
/// </summary>
public sealed class MethodContract
{
    public const string Segmenter = "segmenter", Tracker = "tracker", Matcher = "matcher";
    public const string FrameForward = "frame_forward", Refiner = "refiner";
    public const string RefinerAttention = "refiner_attention", RefinerLayer = "refiner_layer";
    public const string RefinerHeads = "refiner_heads", Clip = "clip", Vita = "vita";
    public const string Associate = "associate", Refine = "refine";

    private static readonly GraphContract s_segmenter = new(
        Segmenter, GraphUse.Online,
        "image [B,3,H,W]",
        "frame_embeds [B,F,C], mask_features [B,Cm,h,w], frame_logits [B,F,K+1]");

    private MethodContract(string name, params GraphContract[] graphs) => (Name, Graphs) = (name, graphs);

    /// <summary>
    /// DVIS. <c>instance_embeds</c> are the tracker's answers after its norm, <c>reference_out</c> those before it; row
    /// = slot. <c>matcher</c> makes a DVIS model answer as MinVIS.
    /// </summary>
    public static MethodContract Dvis { get; } = new(
        "dvis",
        s_segmenter,
        Slots(Tracker, GraphUse.Online),
        new(FrameForward, GraphUse.Revision, "frame_embeds [N,Q,C]", "memory [N,Q,C]"),
        new(
            Refiner, GraphUse.Revision,
            "instance_embeds [T,Q,C], memory [T,Q,C]",
            "logits [Q,K+1], mask_embeds [T,Q,Cm]"),
        new(
            RefinerAttention, GraphUse.WholeVideo,
            "layer [1], embeds [T,N,C], block [S,N,C]",
            "mixed [T,N,C], weight [T,N,heads]"),
        new(
            RefinerLayer, GraphUse.WholeVideo,
            "layer [1], embeds [T,Q,C], mixed [T,Q,C], memory [T,Q,C]",
            "refined [T,Q,C]"),
        new(
            RefinerHeads, GraphUse.WholeVideo,
            "embeds [T,Q,C]",
            "logits [Q,K+1], weight [Q,1], mask_embeds [T,Q,Cm]"),
        Slots(Matcher, GraphUse.Evaluation));

    /// <summary>MinVIS: a slot takes the query matched to it, and the segmenter's heads read that query.</summary>
    public static MethodContract MinVis { get; } = new("minvis", s_segmenter, Slots(Matcher, GraphUse.Online));

    /// <summary>
    /// GenVIS. <c>query</c> is what the decoder starts from, <c>reference_out</c> its answer before the norm; the
    /// memory, and the first query (a tensor file of the model), are outside of the graph.
    /// </summary>
    public static MethodContract GenVis { get; } = new(
        "genvis",
        s_segmenter,
        new(
            Clip, GraphUse.Online,
            "frame_embeds [B,N,F,C], query [B,Q,C]",
            "instance_embeds [B,Q,C], reference_out [B,Q,C], logits [B,Q,K+1], mask_embeds [B,Q,Cm], "
            + "memory_key [B,Q,C], memory_value [B,Q,C], read_key [B,Q,C], next_query [B,Q,C]"))
    { Scoring = ScoringRule.MaxSoftmaxMaskQuality };

    /// <summary>VITA behind MinVIS.</summary>
    public static MethodContract VitaBehindMinVis { get; } = VitaBehind(Matcher);

    /// <summary>VITA behind the tracker of DVIS.</summary>
    public static MethodContract VitaBehindDvis { get; } = VitaBehind(Tracker);

    /// <summary>
    /// RefineVIS. <c>associate</c> has the segmenter's heads beside the contrastive embeddings. In <c>refine</c> each
    /// query attends to the window: online the query is the newest frame, in a clip it is the window itself.
    /// </summary>
    public static MethodContract RefineVis { get; } = new(
        "refinevis",
        s_segmenter,
        new(
            Associate, GraphUse.Online,
            "frame_embeds [B,F,C]",
            "contrastive_embeds [B,F,C], logits [B,F,K+1], mask_embeds [B,F,Cm]"),
        new(
            Refine, GraphUse.Online,
            "query [T,N,C], query_frames [T], window [W,N,C], window_frames [W]",
            "refined [T,N,C], logits [T,N,K+1], mask_embeds [T,N,Cm]"))
    { Scoring = ScoringRule.MeanOverDetections };

    public static IReadOnlyList<MethodContract> All { get; } =
        [Dvis, MinVis, GenVis, VitaBehindMinVis, VitaBehindDvis, RefineVis];

    /// <summary>Value of the manifest's key <c>method</c>.</summary>
    public string Name { get; }

    public IReadOnlyList<GraphContract> Graphs { get; }

    /// <summary>Official score of a video's instances.</summary>
    public ScoringRule Scoring { get; private init; }

    /// <summary>Graph that follows the slots from frame to frame; null: the method goes from clip to clip.</summary>
    public string? SlotGraph
        => Graphs.FirstOrDefault(g => g is { Use: GraphUse.Online, Name: Matcher or Tracker })?.Name;

    /// <summary>True for VITA, behind any tracker.</summary>
    public bool IsVita => this == VitaBehindMinVis || this == VitaBehindDvis;

    /// <summary>Names of the graphs of a use.</summary>
    public IEnumerable<string> GraphsOf(GraphUse use) => Graphs.Where(g => g.Use == use).Select(g => g.Name);

    /// <summary>
    /// VITA. <c>frame_embeds</c> are in the segmenter's own order; V video queries. The mask embeddings of both graphs
    /// are for the same mask features.
    /// </summary>
    /// <param name="front">Graph that follows the slots from frame to frame.</param>
    private static MethodContract VitaBehind(string front) => new(
        "vita",
        s_segmenter,
        Slots(front, GraphUse.Online),
        new(
            Vita, GraphUse.Revision,
            "frame_embeds [T,F,C]",
            "logits [V,K+1], mask_embeds [V,Cm], frame_similarity [T,F,C], query_similarity [V,C]"))
    { Scoring = ScoringRule.MaskQuality };

    private static GraphContract Slots(string name, GraphUse use) => new(
        name, use,
        "frame_embeds [B,Q,C], matched_embeds [B,Q,C], reference [B,Q,C], is_first [B]",
        "instance_embeds [B,Q,C], reference_out [B,Q,C], logits [B,Q,K+1], mask_embeds [B,Q,Cm]");
}
