using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Benchmarks;

/// <summary>First frames of a source, as the service reads them.</summary>
internal static class SourceFrames
{
    /// <returns>At most so many frames; the caller's.</returns>
    public static async Task<Frame[]> ReadAsync(SourceOptions options, FramePool pool, int count)
    {
        var source = SourceFactory.Create(new PipelineMetrics().Camera(PipelineRun.Camera), options, pool,
            TimeProvider.System, NullLoggerFactory.Instance, _ => { });
        var frames = new List<Frame>();
        await foreach (var frame in source.ReadAsync(CancellationToken.None))
        {
            frames.Add(frame);
            if (frames.Count == count) break;
        }

        return [.. frames];
    }
}
