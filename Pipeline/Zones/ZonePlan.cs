using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Zones;

/// <summary>A zone or a line of a camera, compiled.</summary>
/// <param name="Points">Corners of the polygon, or the two ends of the line.</param>
/// <param name="InPixels">False: shares of width and height, 0 … 1.</param>
/// <param name="Classes">Class ids that count; empty: all.</param>
/// <param name="Inertia">Consecutive observations on the new side that make a change.</param>
public sealed record ZoneShape(
    string Name, bool IsLine, ImmutableArray<PlanePoint> Points, bool InPixels, ImmutableArray<int> Classes,
    int Inertia)
{
    public bool Counts(int classId) => Classes.IsEmpty || Classes.Contains(classId);

    /// <summary>A point of a frame in the units of this shape.</summary>
    public PlanePoint Convert(PlanePoint pixels, int width, int height) =>
        InPixels ? pixels : new(pixels.X / width, pixels.Y / height);

    /// <summary>True when a corner lies outside of a frame of this size.</summary>
    public bool Exceeds(int width, int height) => InPixels && Points.Any(p => p.X > width || p.Y > height);
}

/// <summary>Zones and lines of a camera.</summary>
public sealed record ZonePlan(ImmutableArray<ZoneShape> Shapes)
{
    /// <summary>Compiles options that have been checked: their labels are classes of the model.</summary>
    public static ZonePlan Of(
        IReadOnlyDictionary<string, ZoneOptions> zones, IReadOnlyDictionary<string, LineOptions> lines,
        IReadOnlyList<ClassLabel> classes) => new([
            .. zones.Select(z => Shape(z.Key, false, z.Value.Polygon, z.Value.Labels, z.Value.Inertia, classes)),
            .. lines.Select(l => Shape(l.Key, true, l.Value.Points, l.Value.Labels, l.Value.Inertia, classes)),
        ]);

    /// <summary>True for coordinates in pixels: any is above 1.</summary>
    public static bool InPixels(double[][] points) => points.Any(p => p.Any(c => c > 1));

    private static ZoneShape Shape(
        string name, bool isLine, double[][] points, string[] labels, int inertia, IReadOnlyList<ClassLabel> classes)
        => new(
            name, isLine, [.. points.Select(p => new PlanePoint(p[0], p[1]))], InPixels(points),
            [.. classes.Where(c => labels.Contains(c.Name)).Select(c => c.Id)], inertia);
}
