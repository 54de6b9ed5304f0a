using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>What is published of a camera (section <c>defaults.publish</c>, overridable per camera).</summary>
public sealed class PublishOptions
{
    /// <summary>Only these classes; empty: all.</summary>
    public string[] Labels { get; set; } = [];

    /// <summary><c>off</c>: no masks on the wire; <c>on</c>: protobuf masks on their own topics.</summary>
    [AllowedValues("off", "on")] public string Masks { get; set; } = "off";

    /// <summary>Source pixels a cell of the mask grid: 1, 2, 4 or 8.</summary>
    [AllowedValues(1, 2, 4, 8)] public int MaskGrid { get; set; } = 4;

    /// <summary>One simplified polygon a track in the JSON messages.</summary>
    public bool Contours { get; set; }

    /// <summary>
    /// The whole frame as one map, with models of task <c>vps</c> and <c>vss</c>: run lengths or a PNG, on its own topics. <c>auto</c>:
    /// runs where the model has a map.
    /// </summary>
    [AllowedValues("auto", "off", "runs", "png")] public string Map { get; set; } = "auto";
}
