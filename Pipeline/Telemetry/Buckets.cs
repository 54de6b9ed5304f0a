using System.Diagnostics.Metrics;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>Upper bounds of histogram buckets: seconds, and frames for <see cref="OfBatches"/>.</summary>
public static class Buckets
{
    /// <summary>For one step of the way of a frame, half a millisecond to 10 s.</summary>
    public static InstrumentAdvice<double> OfStages { get; } =
        Of(.0005, .001, .002, .005, .01, .02, .033, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10);

    /// <summary>For the whole way of a frame, also of one that waits for a window: 5 ms to 30 s.</summary>
    public static InstrumentAdvice<double> OfFrames { get; } =
        Of(.005, .01, .02, .033, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 20, 30);

    public static InstrumentAdvice<double> OfBatches { get; } = Of(1, 2, 4, 8, 16, 32);

    private static InstrumentAdvice<double> Of(params double[] bounds) => new() { HistogramBucketBoundaries = bounds };
}
