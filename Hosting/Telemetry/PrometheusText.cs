using System.Globalization;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>Writes metrics in Prometheus' text format 0.0.4, sorted, so that two scrapes of the same state are equal.</summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(in Batch<Metric> metrics)
    {
        var families = new SortedDictionary<string, StringBuilder>(StringComparer.Ordinal);
        foreach (var metric in metrics)
        {
            var name = MetricName.Of(metric.Name, metric.Unit, IsCounter(metric));
            // Two instruments of one name are one family only when a header stands once; the first one's holds.
            if (!families.TryGetValue(name, out var text)) families[name] = text = Header(name, metric);
            Points(text, name, metric);
        }

        var result = new StringBuilder();
        foreach (var family in families.Values) result.Append(family);
        return result.ToString();
    }

    private static bool IsCounter(Metric metric) => metric.MetricType is MetricType.LongSum or MetricType.DoubleSum;

    private static StringBuilder Header(string name, Metric metric)
    {
        var type = IsCounter(metric) ? "counter" : metric.MetricType == MetricType.Histogram ? "histogram" : "gauge";
        var help = metric.Description.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return new StringBuilder().Append("# HELP ").Append(name).Append(' ').Append(help).Append('\n')
            .Append("# TYPE ").Append(name).Append(' ').Append(type).Append('\n');
    }

    private static void Points(StringBuilder text, string name, Metric metric)
    {
        var points = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (ref readonly var point in metric.GetMetricPoints())
        {
            var labels = Labels(point.Tags);
            points[labels] = metric.MetricType == MetricType.Histogram ? Histogram(name, labels, point) : Line(name, labels, Number(metric.MetricType, point));
        }

        foreach (var lines in points.Values) text.Append(lines);
    }

    private static string Number(MetricType type, in MetricPoint point) => type switch
    {
        MetricType.LongSum or MetricType.LongSumNonMonotonic => point.GetSumLong().ToString(CultureInfo.InvariantCulture),
        MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic => Number(point.GetSumDouble()),
        MetricType.LongGauge => point.GetGaugeLastValueLong().ToString(CultureInfo.InvariantCulture),
        _ => Number(point.GetGaugeLastValueDouble()),
    };

    private static string Histogram(string name, string labels, in MetricPoint point)
    {
        var text = new StringBuilder();
        long below = 0;
        foreach (var bucket in point.GetHistogramBuckets())
        {
            below += bucket.BucketCount;
            var le = $"le=\"{Number(bucket.ExplicitBound)}\"";
            text.Append(Line(name + "_bucket", labels.Length == 0 ? le : $"{labels},{le}", below.ToString(CultureInfo.InvariantCulture)));
        }

        text.Append(Line(name + "_sum", labels, Number(point.GetHistogramSum())));
        return text.Append(Line(name + "_count", labels, below.ToString(CultureInfo.InvariantCulture))).ToString();
    }

    private static string Labels(in ReadOnlyTagCollection tags)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in tags) labels[MetricName.Label(tag.Key)] = Convert.ToString(tag.Value, CultureInfo.InvariantCulture) ?? "";
        return string.Join(',', labels.Select(l => $"{l.Key}=\"{Escape(l.Value)}\""));
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string Line(string name, string labels, string value) => labels.Length == 0 ? $"{name} {value}\n" : $"{name}{{{labels}}} {value}\n";

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);
}
