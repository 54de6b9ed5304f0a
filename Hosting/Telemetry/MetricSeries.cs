using System.Globalization;
using System.Text;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>One line, or one histogram, of the page: a metric with one set of labels, and what it came to so far.</summary>
internal sealed class MetricSeries(string name, string labels, string? camera)
{
    private long _long;
    private double _double;
    private (double Bound, long Count)[]? _buckets;
    private bool _isLong;

    /// <summary>Value of the label <c>camera</c>, or null.</summary>
    public string? Camera => camera;

    /// <summary>Takes what was measured since the last collection: sums and histograms add up, gauges are the last value.</summary>
    public void Take(MetricType type, AggregationTemporality temporality, in MetricPoint point)
    {
        var adds = temporality == AggregationTemporality.Delta;
        switch (type)
        {
            case MetricType.LongSum or MetricType.LongSumNonMonotonic:
                (_long, _isLong) = ((adds ? _long : 0) + point.GetSumLong(), true);
                break;
            case MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic:
                _double = (adds ? _double : 0) + point.GetSumDouble();
                break;
            case MetricType.LongGauge:
                (_long, _isLong) = (point.GetGaugeLastValueLong(), true);
                break;
            case MetricType.Histogram:
                Take(point);
                break;
            default:
                _double = point.GetGaugeLastValueDouble();
                break;
        }
    }

    public void Write(StringBuilder text)
    {
        if (_buckets is null)
        {
            Line(text, name, labels, _isLong ? _long.ToString(CultureInfo.InvariantCulture) : Number(_double));
            return;
        }

        long below = 0;
        foreach (var (bound, count) in _buckets)
        {
            below += count;
            var le = $"le=\"{Number(bound)}\"";
            Line(text, name + "_bucket", labels.Length == 0 ? le : $"{labels},{le}", below.ToString(CultureInfo.InvariantCulture));
        }

        Line(text, name + "_sum", labels, Number(_double));
        Line(text, name + "_count", labels, below.ToString(CultureInfo.InvariantCulture));
    }

    private void Take(in MetricPoint point)
    {
        _double += point.GetHistogramSum();
        var i = 0;
        if (_buckets is null)
        {
            var bounds = new List<(double, long)>();
            foreach (var bucket in point.GetHistogramBuckets()) bounds.Add((bucket.ExplicitBound, 0));
            _buckets = [.. bounds];
        }

        foreach (var bucket in point.GetHistogramBuckets()) _buckets[i++].Count += bucket.BucketCount;
    }

    private static void Line(StringBuilder text, string name, string labels, string value)
    {
        text.Append(name);
        if (labels.Length > 0) text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(value).Append('\n');
    }

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);
}
