using Dvis.Streaming.Pipeline.Tests.Faults;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Architecture;

/// <summary>Which assemblies of the solution a command maps into its process.</summary>
public sealed class LoadedAssemblyTests : IDisposable
{
    private const string Pipeline = "Dvis.Streaming.Pipeline.dll", Evaluation = "Dvis.Streaming.Evaluation.dll";
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task Run_DoesNotLoadTheEvaluators()
    {
        // A file that is read at its own speed, so that the daemon is still at work when it is looked at.
        var config = _temp.Path("c.yaml");
        await File.WriteAllTextAsync(config, $$"""
            model: { path: '{{Repo.Path(ShippedModels.Shapes)}}' }
            mqtt: { servers: [] }
            http: { bind: '127.0.0.1:0' }
            cameras: { a: { file: '{{Repo.Path("samples/street.mp4")}}', realtime: true, loop: true } }
            """);
        await using var daemon = new DaemonProcess(config, "");
        await Eventually.TrueAsync(() => daemon.Decoders.Count > 0, "the camera's decoder runs");
        Assert.Equal([Pipeline], Loaded(daemon.Id));
    }

    [Fact]
    public async Task Eval_LoadsThem()
    {
        // Reading the annotations waits for a writer of the pipe.
        var (truth, results) = (_temp.Path("truth.json"), _temp.Path("results.json"));
        await Tool.RunAsync("mkfifo", [truth]);
        await File.WriteAllTextAsync(results, "[]");
        using var eval = Tool.StartDvis("eval", "--results", results, "--truth", truth);
        try
        {
            await Eventually.TrueAsync(() => Loaded(eval.Id).Contains(Evaluation), "the evaluators are loaded");
        }
        finally
        {
            eval.Kill();
            await eval.WaitForExitAsync();
        }
    }

    private static string[] Loaded(int process)
    {
        var maps = File.ReadAllText($"/proc/{process}/maps");
        return [.. new[] { Evaluation, Pipeline }.Where(name => maps.Contains("/" + name, StringComparison.Ordinal))];
    }
}
