using System.Reflection;
using OpenTelemetry.Metrics;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>
/// What OpenTelemetry's Prometheus exporter remembers of the instruments it has written: the first 1,024, with all
/// their series, also when their meter has ended. It has no way to forget them, so this reaches into it; with a version
/// that is built differently nothing is forgotten, and CameraChurnTests fails. Thread-safe.
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

    /// <summary>The next scrape remembers the instruments that it finds.</summary>
    public void Forget()
    {
        if (_cache is null || _count is null) return;
        // Another one instead of clearing it: a scrape that runs meanwhile goes on with either.
        _cache.SetValue(_owner, Activator.CreateInstance(_cache.FieldType));
        _count.SetValue(_owner, 0);
    }
}
