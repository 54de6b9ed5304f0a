using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>What keeps the service from starting: one sentence, an exit code, no stack trace.</summary>
internal static class StartFaults
{
    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("model-missing", "the model's folder does not exist", "exit code 2, the key and the folder", run =>
            RefusedAsync(run, "model.path", "model.path=nowhere")),
        new("model-damaged", "a byte too many in the tracker's file", "exit code 1, one sentence: the file is damaged",
            run =>
        {
            File.AppendAllText(Path.Combine(run.Folder, "Models/default/tracker.onnx"), "x");
            return RefusedAsync(run, "tracker.onnx: the file is damaged");
        }),
        new("model-cut-short", "half of the segmenter's file", "exit code 1, one sentence: the file is damaged", run =>
        {
            var file = Path.Combine(run.Folder, "Models/default/segmenter.onnx");
            File.WriteAllBytes(file, File.ReadAllBytes(file)[..^40]);
            return RefusedAsync(run, "segmenter.onnx: the file is damaged");
        }),
        new("runtime-missing", "a GPU is required, the build has no GPU libraries",
            "exit code 1, one sentence: why, and what to do", run =>
            RefusedAsync(run, "runtime.require is cuda, but cuda cannot be used here", "runtime.provider=[cuda, cpu]",
                "runtime.require=cuda")),
        new("configuration-wrong", "an unknown key", "exit code 2, file, line and column", run =>
            RefusedAsync(run, "unknown key", "mqtt.srevers=[]")),
        new("file-missing", "a camera's file does not exist", "exit code 2, file, line and column", run =>
            RefusedAsync(run, "/no/such.mp4' does not exist", "cameras.ok.synthetic=null",
                "cameras.ok.file=/no/such.mp4")),
        new("http-port-taken", "another program listens on our port", "exit code 1, one sentence that says what to do",
            async run =>
        {
            using var taken = new TcpListener(IPAddress.Loopback, 0);
            taken.Start();
            var port = ((IPEndPoint)taken.LocalEndpoint).Port;
            await RefusedAsync(run, "cannot be used",
                string.Create(CultureInfo.InvariantCulture, $"http.bind=127.0.0.1:{port}"));
        }),
    ];

    private static async Task RefusedAsync(FaultRun run, string says, params string[] set)
    {
        var file = run.Write("config.yaml",
            $"cameras: {{ {FaultRun.Ok} }}\nmqtt: {{ servers: [] }}\nhttp: {{ bind: '127.0.0.1:0' }}\n");
        var (code, output) = await Tool.DvisAsync(["run", "-c", file, .. set.SelectMany(s => new[] { "--set", s })]);
        Assert.InRange(code, 1, 2);
        Assert.Contains(says, output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", output, StringComparison.Ordinal);
        run.Note(string.Create(CultureInfo.InvariantCulture, $"exit code {code}"));
        await run.EndAsync();
    }
}
