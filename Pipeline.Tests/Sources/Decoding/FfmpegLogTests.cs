using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>The lines are those of ffmpeg 5.1.</summary>
public sealed class FfmpegLogTests
{
    private readonly FfmpegLog _log = new(new Redactor());

    [Theory]
    [InlineData("[error] rtsp://u:p@h/x: Server returned 401 Unauthorized (authorization failed)",
        SourceFault.AuthFailed)]
    [InlineData("[rtsp @ 0x55be] [error] method DESCRIBE failed: 404 Not Found", SourceFault.NotFound)]
    [InlineData("[error] file:/x.mp4: No such file or directory", SourceFault.NotFound)]
    [InlineData("[tcp @ 0x55be] [error] Failed to resolve hostname cam.local: Name or service not known",
        SourceFault.NotFound)]
    [InlineData("[error] rtsp://h/x: Connection refused", SourceFault.Refused)]
    [InlineData("[error] rtsp://h/x: No route to host", SourceFault.Refused)]
    [InlineData("[error] rtsp://h/x: Connection timed out", SourceFault.Timeout)]
    [InlineData("[error] file:/videos/SSL/x.mp4: Invalid data found when processing input", SourceFault.DecodeErrors)]
    [InlineData("[error] Stream map '0:V:0' matches no streams.", SourceFault.CodecUnsupported)]
    [InlineData("[error] Decoder (codec av1) not found for input stream #0:0", SourceFault.CodecUnsupported)]
    [InlineData("[error] file:/x.mp4: Permission denied", SourceFault.Config)]
    [InlineData("[rtsp @ 0x55be] [error] method SETUP failed: 461 Unsupported transport", SourceFault.Config)]
    [InlineData("[error] file:/x.mp4: Invalid data found when processing input", SourceFault.DecodeErrors)]
    [InlineData("[error] something never seen before", SourceFault.Stalled)]
    public void Classify_Messages_GiveTheReason(string line, SourceFault expected)
    {
        _log.Add(line);

        Assert.Equal(expected, _log.Classify(SourceFault.Stalled));
    }

    [Fact]
    public void Add_DecoderErrors_AreCountedAndAreNoReason()
    {
        _log.Add("[h264 @ 0x55be] [error] Invalid data found here");
        _log.Add("    Last message repeated 3 times");
        _log.Add("[error] Error while decoding stream #0:0: Invalid data found when processing input");
        _log.Add("[rtsp @ 0x55be] [error] about the connection");
        _log.Add("    Last message repeated 9 times");
        _log.Add("[mpegts @ 0x55be] [warning] Packet corrupt (stream = 0, dts = 1)");

        Assert.Equal(5, _log.DecodeErrors);
        Assert.Equal("about the connection", _log.Tail);
        Assert.Equal(SourceFault.Eof, _log.Classify(SourceFault.Eof));
    }

    [Fact]
    public void Add_Endless_KeepsTheLastFew()
    {
        for (var i = 0; i < 1000; i++)
            _log.Add($"[error] message {i} of rtsp://u:hunter2@host/x {new string('x', 1000)}");

        Assert.Contains("message 999", _log.Tail, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", _log.Tail, StringComparison.Ordinal);
        Assert.InRange(_log.Tail.Length, 1, 2000);
    }

    [Fact]
    public void Add_Sizes_AreFoundByTheirBytesNewestFirst()
    {
        _log.Add(
            "[graph 0 input from stream 0:0 @ 0x5581] [verbose] w:640 h:360 pixfmt:yuv420p tb:1/90000 fr:25/1 sar:0/1");
        _log.Add(
            "[graph 0 input from stream 0:0 @ 0x5581] [verbose] w:320 h:240 pixfmt:yuv420p tb:1/90000 fr:25/1 sar:0/1");
        _log.Add(
            "[graph 0 input from stream 0:0 @ 0x5581] [verbose] w:360 h:640 pixfmt:yuv420p tb:1/90000 fr:25/1 sar:0/1");
        // a title could say this
        _log.Add("[info] [graph 0 input from stream 0:0 @ 0x5581] [verbose] w:1 h:1 pixfmt:none");

        Assert.Equal((640, 360), _log.FirstSize);
        Assert.Null(_log.TakeSize(3));
        Assert.Equal((640, 360), _log.NextSize);
        Assert.Equal((640, 360), _log.TakeSize(640 * 360 * 3));
        Assert.Equal((320, 240), _log.TakeSize(320 * 240 * 3));
        Assert.Equal((360, 640), _log.TakeSize(640 * 360 * 3));
        Assert.Null(_log.NextSize);
    }

    [Theory]
    [InlineData("[info]   Stream #0:0[0x100]: Video: h264 (High), 1 reference frame ([27][0][0][0] / 0x001B), "
        + "yuv420p(tv), 640x360 (640x368), 25 fps, 25 tbr, 90k tbn", "h264", 25.0)]
    [InlineData("[info]   Stream #0:1(und): Video: mjpeg, yuvj420p, 320x240, 29.97 fps, 90k tbr", "mjpeg", 29.97)]
    [InlineData("[info]   Stream #0:0: Video: hevc (Main), yuv420p, 1920x1080, 90k tbn", "hevc", null)]
    public void Add_StreamLine_TellsCodecAndRate(string line, string codec, double? fps)
    {
        _log.Add("[info]   Stream #0:0: Audio: aac (LC), 48000 Hz, stereo");
        _log.Add(line);
        // the output comes later
        _log.Add("[info]   Stream #0:0: Video: rawvideo (RGB[24] / 0x18424752), rgb24, 640x360, 30 fps");

        Assert.Equal((codec, fps), (_log.Codec, _log.NominalFps));
    }
}
