using System.Globalization;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Zones;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Checks of the names and shapes of a camera's zones and lines.</summary>
internal static partial class ZoneChecks
{
    private const int MaxShapes = 32, MinCorners = 3, MaxCorners = 64;

    /// <summary>Faults with their paths below the camera.</summary>
    public static IEnumerable<(string Path, string Message)> Of(CameraOptions camera) =>
        Section("zones", camera.Zones, z => z.Polygon, "polygon", Polygon)
            .Concat(Section("lines", camera.Lines, l => l.Points, "points", Line));

    /// <summary>Names of classes, each with its path below the camera.</summary>
    public static IEnumerable<(string Path, string Label)> Labels(CameraOptions camera) =>
        camera.Zones.Select(z => (Path: $"zones.{z.Key}", z.Value.Labels))
            .Concat(camera.Lines.Select(l => (Path: $"lines.{l.Key}", l.Value.Labels)))
            .SelectMany(s => s.Labels.Index().Select(l => ($"{s.Path}.labels[{l.Index}]", l.Item)));

    /// <summary>First section in use; null: none.</summary>
    public static string? SectionOf(CameraOptions camera) =>
        camera.Zones.Count > 0 ? "zones" : camera.Lines.Count > 0 ? "lines" : null;

    private static IEnumerable<(string Path, string Message)> Section<T>(
        string section, Dictionary<string, T> shapes, Func<T, double[][]> points, string key,
        Func<PlanePoint[], string?> check)
    {
        if (shapes.Count > MaxShapes)
            yield return (section, $"found {shapes.Count} {section}, expected at most {MaxShapes}");
        foreach (var (name, shape) in shapes)
        {
            var path = $"{section}.{name}";
            if (!ShapeName().IsMatch(name)) yield return (path, $"found the name '{name}', {Names.Expected}");
            var list = points(shape);
            var faults = Coordinates(list).ToList();
            foreach (var (place, message) in faults) yield return ($"{path}.{key}{place}", message);
            if (faults.Count == 0 && check([.. list.Select(p => new PlanePoint(p[0], p[1]))]) is { } fault)
                yield return ($"{path}.{key}", fault);
        }
    }

    private static IEnumerable<(string Place, string Message)> Coordinates(double[][] points)
    {
        foreach (var (i, point) in points.Index())
        {
            if (point.Length != 2)
                yield return ($"[{i}]", $"found {point.Length} numbers, expected two: [x, y]");
            foreach (var (k, value) in point.Index().Where(c => !double.IsFinite(c.Item) || c.Item < 0))
                yield return ($"[{i}][{k}]",
                    $"found {value.ToString(CultureInfo.InvariantCulture)}, expected 0 to 1 (shares of the frame), or "
                    + "pixels of at least 0");
        }
    }

    private static string? Polygon(PlanePoint[] corners)
    {
        if (corners.Length is < MinCorners or > MaxCorners)
            return $"found {corners.Length} corners, expected {MinCorners} to {MaxCorners}";
        return PlaneGeometry.IsSimple(corners)
            ? null : "found edges that meet or cross, expected a polygon whose edges meet only at its corners";
    }

    private static string? Line(PlanePoint[] points)
    {
        if (points.Length != 2) return $"found {points.Length} points, expected 2";
        return points[0] == points[1] ? "found the same point twice, expected two that differ" : null;
    }

    [GeneratedRegex($"^{Names.Pattern}$")]
    private static partial Regex ShapeName();
}
