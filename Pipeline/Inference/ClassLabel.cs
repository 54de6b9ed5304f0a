namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>One class of the model.</summary>
/// <param name="Id">Index of the logit.</param>
/// <param name="Kind"><c>thing</c> or <c>stuff</c>.</param>
/// <param name="Color"><c>#rrggbb</c>.</param>
public sealed record ClassLabel(int Id, string Name, string Kind, string Color)
{
    /// <summary>True for what comes in single objects, false for stuff.</summary>
    public bool IsThing => Kind == "thing";
}
