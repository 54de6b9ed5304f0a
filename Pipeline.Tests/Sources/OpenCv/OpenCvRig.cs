using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Sources.OpenCv;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

/// <summary>A <see cref="SourceRig"/> whose decoder is OpenCV;
/// skips the test where its native library cannot be loaded.</summary>
internal sealed class OpenCvRig : IAsyncDisposable
{
    public OpenCvRig(TimeProvider? time = null)
    {
        Require();
        Rig = new SourceRig(time);
    }

    public SourceRig Rig { get; }

    public OpenCvDecoder Decoder { get; } = new();

    public static void Require()
    {
        try
        {
            OpenCvLibrary.Require();
        }
        catch (SourceException e)
        {
            Assert.Skip(e.Message);
        }
    }

    public IFrameSource Create(SourceOptions options)
    {
        options.Decode.Backend = DecodeBackend.Opencv;
        return Rig.Create(options, Decoder);
    }

    public Task<List<FrameInfo>> ReadAsync(SourceOptions options, int most = int.MaxValue, Action<Frame>? look = null)
        => SourceRig.ReadAsync(Create(options), most, look);

    public ValueTask DisposeAsync() => Rig.DisposeAsync();

    /// <summary>A pipe with a name: reading it blocks in the kernel until somebody writes.</summary>
    public static async Task<string> MakePipeAsync(string path)
    {
        Assert.Equal(0, (await Tool.RunAsync("mkfifo", [path])).Code);
        return path;
    }
}
