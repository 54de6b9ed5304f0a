using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>What is published of a camera (section <c>defaults.publish</c>, overridable per camera).</summary>
public sealed class PublishOptions
{
    /// <summary>Only these classes; empty: all.</summary>
    public string[] Labels { get; set; } = [];

    public MaskOutput Masks { get; set; }

    /// <summary>Source pixels per cell of the mask grid: 1, 2, 4 or 8.</summary>
    [AllowedValues(1, 2, 4, 8)] public int MaskGrid { get; set; } = 4;

    /// <summary>One simplified polygon per track in the JSON messages.</summary>
    public bool Contours { get; set; }

    /// <summary>The whole frame as one map on its own topics, with models of task <c>vps</c> and <c>vss</c>.</summary>
    public MapOutput Map { get; set; }

    /// <summary>A picture of each track that has ended.</summary>
    public SnapshotOutput Snapshots { get; set; }

    /// <summary>Longest side of a snapshot in pixels.</summary>
    [Range(32, 1920)] public int SnapshotSize { get; set; } = 320;
}

/// <summary>Masks on the wire: protobuf masks on their own topics, or none.</summary>
public enum MaskOutput { Off, On }

/// <summary>Maps on the wire: run lengths, a PNG, or none; auto: run lengths where the model has maps.</summary>
public enum MapOutput { Auto, Off, Runs, Png }

/// <summary>Snapshots on the wire: JPEG on a topic of the track, or none.</summary>
public enum SnapshotOutput { Off, On }
