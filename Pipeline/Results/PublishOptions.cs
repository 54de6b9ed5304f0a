using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>What is published of a camera (section <c>defaults.publish</c>, overridable per camera).</summary>
public sealed class PublishOptions
{
    /// <summary>Only these classes; empty: all.</summary>
    public string[] Labels { get; set; } = [];

    public MaskOutput Masks { get; set; }

    /// <summary>Source pixels a cell of the mask grid: 1, 2, 4 or 8.</summary>
    [AllowedValues(1, 2, 4, 8)] public int MaskGrid { get; set; } = 4;

    /// <summary>One simplified polygon a track in the JSON messages.</summary>
    public bool Contours { get; set; }

    /// <summary>The whole frame as one map on its own topics, with models of task <c>vps</c> and <c>vss</c>.</summary>
    public MapOutput Map { get; set; }
}

/// <summary>Masks on the wire.</summary>
public enum MaskOutput
{
    /// <summary>None.</summary>
    Off,

    /// <summary>Protobuf masks on their own topics.</summary>
    On,
}

/// <summary>Maps on the wire.</summary>
public enum MapOutput
{
    /// <summary><see cref="Runs"/> where the model has a map.</summary>
    Auto,

    /// <summary>None.</summary>
    Off,

    /// <summary>Run lengths.</summary>
    Runs,

    /// <summary>A PNG.</summary>
    Png,
}
