using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>A polygon that tracks enter and leave (section <c>cameras.&lt;name&gt;.zones.&lt;zone&gt;</c>).</summary>
public sealed class ZoneOptions
{
    /// <summary>Corners [x, y], 3 to 64: all within 0 … 1 shares of width and height, else pixels.</summary>
    public double[][] Polygon { get; set; } = [];

    /// <summary>Classes that count; empty: all.</summary>
    public string[] Labels { get; set; } = [];

    /// <summary>Processed frames that a track must be on the new side before it counts.</summary>
    [Range(1, 100)] public int Inertia { get; set; } = 3;
}

/// <summary>A segment that tracks cross (section <c>cameras.&lt;name&gt;.lines.&lt;line&gt;</c>).</summary>
public sealed class LineOptions
{
    /// <summary>Two points [x, y], in the units of <see cref="ZoneOptions.Polygon"/>.</summary>
    public double[][] Points { get; set; } = [];

    /// <inheritdoc cref="ZoneOptions.Labels"/>
    public string[] Labels { get; set; } = [];

    /// <inheritdoc cref="ZoneOptions.Inertia"/>
    [Range(1, 100)] public int Inertia { get; set; } = 3;
}
