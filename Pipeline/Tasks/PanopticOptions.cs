using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Which queries make a panoptic segment (section <c>defaults.panoptic</c>, overridable per camera);
/// only with models of task <c>vps</c>.</summary>
public sealed class PanopticOptions
{
    /// <summary>A query competes for pixels when its class score is above this.</summary>
    [Range(0.0, 1.0)] public double ObjectScore { get; set; } = 0.8;

    /// <summary>A segment that wins less than this share of its mask is given up.</summary>
    [Range(0.0, 1.0)] public double Overlap { get; set; } = 0.8;
}
