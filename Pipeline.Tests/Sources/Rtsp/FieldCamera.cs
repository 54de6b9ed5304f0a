using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>The camera of the shared field cases, in a process of its own; skips the test where it cannot run.
/// </summary>
internal sealed class FieldCamera : IAsyncDisposable
{
    private readonly Process _process;
    private readonly int _port;

    private FieldCamera(Process process, int port) => (_process, _port) = (process, port);

    public string Url(string path) => $"rtsp://127.0.0.1:{_port}{path}";

    /// <param name="file">Relative to the folder of the cases.</param>
    public static async Task<FieldCamera> StartAsync(string file, params string[] arguments)
    {
        var port = FreePorts.Next();
        var script = Shared.Path("data/cases/field/tools/camera.py");
        var start = new ProcessStartInfo("/usr/bin/python3",
            ["-u", script, "--port", $"{port}", "--h264", Shared.Path("data/cases/field/" + file), .. arguments]);
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no Python for the camera.");
        }

        var camera = new FieldCamera(process!, port);
        await Eventually.TrueAsync(() => FreePorts.IsOpenAsync(port), "the camera listens");
        return camera;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
