using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Terminal;

/// <summary>First lines of a run.</summary>
public sealed class RunBannerTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, "  page     http://127.0.0.1:8080/")]
    [InlineData(false, "  model    ")]
    public void Lines_BeginWithTheAddressOfThePage(bool page, string expected)
    {
        var options = new StreamingOptions();
        options.Model.Path = TinyDvis.Write(_folder.Path("model"));
        options.Http.Page = page;
        var lines = RunBanner.Lines(new LoadedConfig(options, "", []), "http://127.0.0.1:8080").ToArray();
        Assert.StartsWith(expected, lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_NameTheSourceOfEachCamera()
    {
        var options = new StreamingOptions();
        options.Model.Path = TinyDvis.Write(_folder.Path("model"));
        Add("address", s => s.Url = "rtsp://user:secret@host/1");
        Add("desk", s => s.Device = "/dev/video0");
        Add("file", s => (s.File, s.Realtime, s.Loop) = ("/a.mp4", true, true));
        Add("scene", s => s.Synthetic = new() { Width = 64, Height = 48, Fps = 5 });

        string[] expected =
        [
            "  camera   address: rtsp://user:***@host/1",
            "  camera   desk: /dev/video0",
            "  camera   file: /a.mp4, in real time, looped",
            "  camera   scene: synthetic 64x48, 5 fps",
        ];
        Assert.Equal(expected, RunBanner.Lines(new LoadedConfig(options, "", []), "")
            .Where(line => line.StartsWith("  camera", StringComparison.Ordinal)));

        void Add(string name, Action<SourceOptions> set)
        {
            var camera = new CameraOptions();
            set(camera.Source);
            options.Cameras.Add(name, camera);
        }
    }
}
