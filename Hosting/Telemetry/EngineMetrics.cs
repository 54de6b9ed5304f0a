using System.Diagnostics.Metrics;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;

namespace Dvis.Streaming.Hosting.Telemetry;

/// <summary>What the host knows and no stage: which build and model run, and what native memory is out.</summary>
internal static class EngineMetrics
{
    public static void Register(PipelineMetrics metrics, StreamingOptions options, DvisModels models, FramePool frames, TensorPool tensors)
    {
        var meter = metrics.Meter;
        meter.CreateObservableGauge("dvis.model_info", () => Models(options, models), null, "1 for each graph of the model that runs.");
        meter.CreateObservableGauge("dvis.native_buffers.in_use", () => Pools(frames.Outstanding, tensors.Outstanding), "{buffer}", "Native buffers given out and not returned.");
        meter.CreateObservableCounter("dvis.native_buffers.allocated", () => Pools(frames.Allocations, tensors.Allocations), "{buffer}", "Native buffers ever allocated; flat in steady state.");
        meter.CreateObservableGauge("dvis.native_buffers.held", () => Pools(frames.AllocatedBytes, tensors.AllocatedBytes), "By", "Native memory of the pools, in use or free.");
    }

    public static void RegisterBuild(PipelineMetrics metrics) =>
        metrics.Meter.CreateObservableGauge("dvis.build_info", () => new Measurement<int>(1, Tag("version", BuildInfo.Version), Tag("commit", BuildInfo.Commit), Tag("schema", BuildInfo.Schema)), null, "1 for the build that runs.");

    private static IEnumerable<Measurement<int>> Models(StreamingOptions options, DvisModels models) =>
        from graph in (IEnumerable<(string Role, IModel? Model)>)[("segmenter", models.Segmenter), ("tracker", models.Tracker), ("frame_forward", models.FrameForward), ("refiner", models.Refiner)]
        where graph.Model is not null
        let precision = models.Manifest.PrecisionOf(graph.Role, models.Manifest.Resolve(options.Model.Precision))
        select new Measurement<int>(
            1, Tag("role", graph.Role), Tag("model", $"{models.Manifest.Name}-{models.Manifest.Version}"), Tag("task", EnumName.Of(models.Manifest.Task)), Tag("sha", models.Manifest.FileOf(graph.Role, precision)!.Sha256[..12]),
            Tag("provider", (graph.Model as OnnxModel)?.Provider ?? "none"), Tag("precision", precision));

    private static Measurement<long>[] Pools(long frames, long tensors) => [new(frames, Tag("pool", "frames")), new(tensors, Tag("pool", "tensors"))];

    private static KeyValuePair<string, object?> Tag(string key, string value) => new(key, value);
}
