using System.Buffers;
using System.Text;
using Dvis.Streaming.Hosting.Telemetry;

namespace Dvis.Streaming.Pipeline.Tests.Support;

internal static class MetricText
{
    /// <summary>The page as a scraper gets it.</summary>
    public static string Text(this PrometheusExporter exporter)
    {
        var page = new ArrayBufferWriter<byte>();
        exporter.Scrape(page);
        return Encoding.UTF8.GetString(page.WrittenSpan);
    }
}
