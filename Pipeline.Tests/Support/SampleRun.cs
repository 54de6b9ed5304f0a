using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>The rendered sample through the real pipeline with the model of shapes, once for all tests.</summary>
public sealed class SampleRun : IAsyncLifetime
{
    public const string Truth = "samples/everyday.json";
    private const string Video = "samples/everyday.mp4";

    /// <summary>Why there is no run; null when there is one.</summary>
    public string? Missing { get; private set; }

    public IReadOnlyList<ProvisionalResult> Provisionals { get; private set; } = [];

    public IReadOnlyList<FinalResult> Finals { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        ModelGraphs models;
        try
        {
            var model = new ModelOptions { Path = Repo.Path(ShippedModels.Shapes) };
            models = ModelGraphs.Load(model, new RuntimeOptions { Threads = 2 }, NullLogger.Instance);
        }
        catch (ModelException e)
        {
            Missing = e.Message;
            return;
        }

        using (models)
        {
            await using var rig = new PipelineRig(models, TimeProvider.System);
            rig.Camera.Publish.MaskGrid = 1;
            var source = SourceFactory.Create(
                rig.Camera.Measured.Metrics.Camera("cam"), new SourceOptions { File = Repo.Path(Video) }, rig.Frames,
                TimeProvider.System, NullLoggerFactory.Instance, _ => { });
            await rig.RunAsync(source);
            (Provisionals, Finals) = (rig.Published.Provisionals, rig.Published.Finals);
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
