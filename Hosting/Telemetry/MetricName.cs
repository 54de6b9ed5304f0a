using System.Text;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>
/// OpenTelemetry names to Prometheus names: dots become underscores, the unit is spelled out at the end, counters end in
/// <c>_total</c> (OpenTelemetry specification, "Prometheus and OpenMetrics compatibility").
/// </summary>
internal static class MetricName
{
    public static string Of(string instrument, string? unit, bool isCounter)
    {
        var name = Clean(instrument);
        if (Spelled(unit, isCounter) is { } spelled && !name.EndsWith("_" + spelled, StringComparison.Ordinal)) name += "_" + spelled;
        return isCounter && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    /// <summary>Label names follow the same alphabet.</summary>
    public static string Label(string tag) => Clean(tag);

    // Annotations such as {frame} say what is counted; they are no unit.
    private static string? Spelled(string? unit, bool isCounter) => unit switch
    {
        null or "" => null,
        _ when unit.StartsWith('{') => null,
        "s" => "seconds",
        "ms" => "milliseconds",
        "By" => "bytes",
        "%" => "percent",
        "1" => isCounter ? null : "ratio",
        _ => Clean(unit),
    };

    private static string Clean(string name)
    {
        var result = new StringBuilder(name.Length);
        foreach (var c in name)
        {
            var allowed = char.IsAsciiLetterOrDigit(c) ? c : '_';
            if (allowed != '_' || (result.Length > 0 && result[^1] != '_')) result.Append(allowed);
        }

        if (result.Length > 0 && result[^1] == '_') result.Length--;
        return result.Length > 0 && char.IsAsciiDigit(result[0]) ? "_" + result : result.ToString();
    }
}
