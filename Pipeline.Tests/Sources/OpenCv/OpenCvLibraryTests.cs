using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.OpenCv;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

public sealed class OpenCvLibraryTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("libgtk-3.so.0: cannot open shared object file: No such file or directory", "libgtk-3.so.0")]
    [InlineData("libatomic.so.1: cannot open shared object file: No such file or directory", "libatomic.so.1")]
    public void Explain_DebianLibraryIsMissing_NamesItAndTheCommand(string message, string library)
    {
        const string before = "Unable to load shared library 'OpenCvSharpExtern' or one of its dependencies.\n"
            + "/app/libOpenCvSharpExtern.so: cannot open shared object file: No such file or directory\n";
        var sentence =
            $"OpenCV needs {library}, which is not installed; as root: apt-get install libgtk-3-0 libatomic1";
        Assert.Equal(sentence, OpenCvLibrary.Explain(before + message));
    }

    [Fact]
    public void Explain_LibraryItselfIsMissing_DoesNotBlameDebian()
    {
        const string message =
            "/app/libOpenCvSharpExtern.so: cannot open shared object file: No such file or directory";
        Assert.DoesNotContain("apt-get", OpenCvLibrary.Explain(message), StringComparison.Ordinal);
    }

    /// <summary>The loader's own words: it finds an empty file where libgtk-3 should be.</summary>
    [Fact(Timeout = 120_000)]
    public async Task Probe_WithoutGtk_NamesTheCommandThatInstallsIt()
    {
        SourceRig.RequireOpenCv();
        var library = _folder.Write("lib/libgtk-3.so.0", "");
        var config = _folder.Write("config.yaml", "cameras: { a: { file: a.mp4, decode: { backend: opencv } } }");

        var (code, output) = await Tool.RunAsync("env",
            [$"LD_LIBRARY_PATH={Path.GetDirectoryName(library)}", "dotnet", Tool.Dvis, "probe", "--camera", "a", "-c",
                config]);

        const string expected = "a: config: OpenCV needs libgtk-3.so.0, which is not installed; "
            + "as root: apt-get install libgtk-3-0 libatomic1\n";
        Assert.Equal(expected, output);
        Assert.Equal(1, code);
    }

    /// <summary>Two cameras, of which one is OpenCV's:
    /// it is loaded with the first frame of that one and not before.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("ffmpeg", false)]
    [InlineData("opencv", true)]
    public async Task Run_CamerasThatNeedIt_AloneLoadTheNativeLibrary(string backend, bool loaded)
    {
        SourceRig.RequireOpenCv();
        var config = _folder.Write("config.yaml", $$"""
            cameras:
              a: { file: '{{Repo.Path("samples/everyday.mp4")}}', loop: true, decode: { backend: {{backend}} } }
            mqtt: { servers: [] }
            sinks: { json_lines: { path: results.jsonl, flush_interval: 0s } }
            http: { bind: '127.0.0.1:0' }
            """);
        using var dvis = Tool.StartDvis("run", "-c", config);
        var drained = Task.WhenAll(dvis.StandardOutput.ReadToEndAsync(), dvis.StandardError.ReadToEndAsync());
        try
        {
            var results = new FileInfo(Path.Combine(_folder.Root, "results.jsonl"));
            await Eventually.TrueAsync(() => dvis.HasExited || Written(), "a frame has gone through");
            Assert.False(dvis.HasExited, string.Join('\n', dvis.HasExited ? await drained : []));
            var maps = await File.ReadAllTextAsync($"/proc/{dvis.Id}/maps");
            Assert.Equal(loaded, maps.Contains("OpenCvSharpExtern", StringComparison.Ordinal));

            bool Written()
            {
                results.Refresh();
                return results is { Exists: true, Length: > 1000 };
            }
        }
        finally
        {
            dvis.Kill();
            await dvis.WaitForExitAsync();
            await drained;
        }
    }
}
