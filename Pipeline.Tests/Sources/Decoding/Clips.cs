using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Video files that ffmpeg makes for one test; skips the test without ffmpeg.</summary>
internal sealed class Clips : IDisposable
{
    private readonly TempFolder _folder = new();

    public string Path(string name) => _folder.Path(name);

    /// <summary>Clip of a test pattern; by default twenty lossless frames.</summary>
    public async Task<string> MakeAsync(string name, string size = "64x48", string frames = "20",
        params string[] arguments)
    {
        var path = Path(name);
        await RunAsync(["-f", "lavfi", "-i", $"testsrc=size={size}:rate=25", .. arguments, "-frames:v", frames,
            .. arguments.Contains("-c:v") ? [] : new[] { "-c:v", "ffv1" }, path]);
        return path;
    }

    public static async Task RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("ffmpeg") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in (string[])["-nostdin", "-v", "error", "-y", .. arguments])
            start.ArgumentList.Add(argument);
        try
        {
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var messages = await process.StandardError.ReadToEndAsync();
            await output;
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, messages);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no ffmpeg.");
        }
    }

    public void Dispose() => _folder.Dispose();
}
