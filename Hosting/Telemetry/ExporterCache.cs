using System.Reflection;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>
/// Cache of OpenTelemetry's Prometheus exporter: the first 1,024 instruments that it has written, with all their
/// series, also after their meter has ended. The exporter cannot clear it, so this uses reflection; with a version that
/// is built differently it does nothing, and CameraChurnTests fails. Thread-safe.
/// </summary>
internal sealed class ExporterCache
{
    private const BindingFlags Members = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;

    private readonly object? _owner;
    private readonly FieldInfo? _cache, _count;

    public ExporterCache(MeterProvider provider)
    {
        var reader = provider.GetType().GetProperty("Reader", Members)?.GetValue(provider);
        var exporter = typeof(BaseExportingMetricReader).GetField("exporter", Members) is { } field
            && reader is BaseExportingMetricReader ? field.GetValue(reader) : null;
        _owner = exporter?.GetType().GetProperty("CollectionManager", Members)?.GetValue(exporter);
        _cache = _owner?.GetType().GetField("metricsCache", Members);
        _count = _owner?.GetType().GetField("metricsCacheCount", Members);
    }

    public void Clear()
    {
        if (_cache is null || _count is null) return;
        // A new object, because a scrape may be using the old one.
        _cache.SetValue(_owner, Activator.CreateInstance(_cache.FieldType));
        _count.SetValue(_owner, 0);
    }
}
