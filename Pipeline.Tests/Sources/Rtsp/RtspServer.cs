using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>A real RTSP server on a free loopback port, serving one looping file as <c>/cam1</c>;
/// skips the test where it cannot run.</summary>
internal sealed class RtspServer : IAsyncDisposable
{
    private readonly Process _process;

    private RtspServer(Process process, int port) => (_process, Port) = (process, port);

    public int Port { get; }

    public string Url(string login = "", string path = "cam1") => $"rtsp://{login}127.0.0.1:{Port}/{path}";

    public static async Task<RtspServer> StartAsync(string? login = null, int? port = null)
    {
        var script = Shared.Path("tools/rtsp_server.py");
        var file = Shared.Path("data/torture/00_base_640x360_h264.mp4");
        var free = port ?? FreePorts.Next();
        var start =
            new ProcessStartInfo("/usr/bin/python3") { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments =
            ["-u", script, "--port", $"{free}", .. login is null ? [] : new[] { "--auth", login }, file];
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no Python for the RTSP server.");
        }

        var server = new RtspServer(process!, free);
        if (await process!.StandardOutput.ReadLineAsync() is null)
        {
            var error = await process.StandardError.ReadToEndAsync();
            await server.DisposeAsync();
            Assert.SkipWhen(error.Contains("gi", StringComparison.Ordinal),
                "GStreamer's RTSP server is not installed.");
            Assert.Fail(error);
        }

        await Eventually.TrueAsync(() => FreePorts.IsOpenAsync(free), "the RTSP server listens");
        return server;
    }

    /// <summary>Keeps its connections open and sends nothing any more.</summary>
    public Task FreezeAsync() => SignalAsync("STOP");

    /// <summary>Goes on where it was frozen.</summary>
    public Task ThawAsync() => SignalAsync("CONT");

    /// <summary>Gone without a word, as when its plug is pulled.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("sh", ["-c", $"kill -{signal} {_process.Id}"]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }
}
