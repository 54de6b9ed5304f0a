using System.Buffers;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>
/// All series of all metrics, in Prometheus' text format 0.0.4, sorted, so that two pages of the same state are equal. The SDK gives what
/// was measured since the last collection and forgets it; the sums stand here, and a camera that is removed takes its series with it.
/// Not thread-safe.
/// </summary>
internal sealed class MetricPage(int maxSeriesPerMetric)
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    // As the SDK marks what is beyond its own limit.
    private const string Overflow = "otel_metric_overflow=\"true\"";

    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte> _observed = new();
    private readonly StringBuilder _text = new();
    private FrozenSet<string>? _cameras; // null: all

    /// <summary>Only these cameras count from now on.</summary>
    public void Keep(IEnumerable<string> cameras)
    {
        _cameras = cameras.ToFrozenSet();
        foreach (var family in _families.Values)
            foreach (var gone in family.Series.Where(s => !IsKept(s.Value.Camera)).ToList()) family.Series.Remove(gone.Key);
    }

    /// <summary>An instrument that is asked at each collection: a gauge that it does not answer for has no value now. Any thread.</summary>
    public void Observes(string instrument) => _observed.TryAdd(instrument, 0);

    /// <summary>Everything of one collection.</summary>
    public void Add(in Batch<Metric> metrics)
    {
        foreach (var family in _families.Values)
            if (family.IsAsked) family.Series.Clear();
        foreach (var metric in metrics)
        {
            var name = MetricName.Of(metric.Name, metric.Unit, IsCounter(metric));
            // Two instruments of one name are one family only when a header stands once; the first one's holds.
            if (!_families.TryGetValue(name, out var family))
                _families[name] = family = new(Header(name, metric), new(StringComparer.Ordinal), metric.MetricType is MetricType.LongGauge or MetricType.DoubleGauge && _observed.ContainsKey(metric.Name));
            foreach (ref readonly var point in metric.GetMetricPoints())
            {
                var (labels, camera) = Labels(point.Tags);
                if (IsKept(camera)) Series(family, name, labels, camera).Take(metric.MetricType, metric.Temporality, point);
            }
        }
    }

    /// <summary>As UTF-8, without making the whole page a string: that would be a large object for the garbage collector at every scrape.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var utf8 = Encoding.UTF8.GetEncoder(); // a character may be parted by the ends of two chunks
        foreach (var family in _families.Values.Where(f => f.Series.Count > 0))
        {
            _text.Append(family.Header);
            foreach (var series in family.Series.Values) series.Write(_text);
            foreach (var chunk in _text.GetChunks()) utf8.Convert(chunk.Span, output, flush: false, out _, out _);
            _text.Clear();
        }
    }

    private bool IsKept(string? camera) => camera is null || _cameras is null || _cameras.Contains(camera);

    private MetricSeries Series(Family family, string name, string labels, string? camera)
    {
        if (!family.Series.ContainsKey(labels) && family.Series.Count >= maxSeriesPerMetric) (labels, camera) = (Overflow, null);
        if (!family.Series.TryGetValue(labels, out var series)) family.Series[labels] = series = new MetricSeries(name, labels, camera);
        return series;
    }

    private static bool IsCounter(Metric metric) => metric.MetricType is MetricType.LongSum or MetricType.DoubleSum;

    private static string Header(string name, Metric metric)
    {
        var type = IsCounter(metric) ? "counter" : metric.MetricType == MetricType.Histogram ? "histogram" : "gauge";
        var help = metric.Description.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        return $"# HELP {name} {help}\n# TYPE {name} {type}\n";
    }

    private static (string Labels, string? Camera) Labels(in ReadOnlyTagCollection tags)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var tag in tags) labels[MetricName.Label(tag.Key)] = Convert.ToString(tag.Value, CultureInfo.InvariantCulture) ?? "";
        return (string.Join(',', labels.Select(l => $"{l.Key}=\"{Escape(l.Value)}\"")), labels.GetValueOrDefault("camera"));
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private sealed record Family(string Header, SortedDictionary<string, MetricSeries> Series, bool IsAsked);
}
