using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.OpenCv;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

public sealed class FileInputTests
{
    private readonly FfmpegLog _log = new(new Redactor());
    private readonly FileInput _sut = new("clip.mp4");

    [Fact]
    public void End_AllFramesDecoded_IsNoFault() => Assert.Null(_sut.End(_log, 5, TimeSpan.Zero));

    [Fact]
    public void End_PicturesWithErrors_IsAFaultAlsoAfterFrames()
    {
        _log.Add("[h264 @ 0x55d0] [error] error while decoding MB 4 5, bytestream -7");

        Assert.Equal(SourceFault.DecodeErrors, _sut.End(_log, 5, TimeSpan.Zero)?.Fault);
    }

    [Fact]
    public void End_NoFrame_IsAFault() => Assert.NotNull(_sut.End(_log, 0, TimeSpan.Zero));
}
