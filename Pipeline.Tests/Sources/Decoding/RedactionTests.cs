using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

public sealed class RedactionTests
{
    [Theory]
    [InlineData("rtsp://admin:s3cret@cam/1: 401", "rtsp://***@cam/1: 401")]
    [InlineData("rtsp://admin:p%40ss%2Fw@cam/1", "rtsp://***@cam/1")]
    [InlineData("rtsp://admin:p@ss@cam/1", "rtsp://***@cam/1")]
    [InlineData("rtsp://admin:p/ss@cam/1", "rtsp://***@cam/1")]
    [InlineData("'rtsps://u:p@h/x' and 'rtsp://v:q@i/y'", "'rtsps://***@h/x' and 'rtsp://***@i/y'")]
    [InlineData("rtsp://cam/1", "rtsp://cam/1")]
    [InlineData("rtsp://cam/1?user=a&password=b&channel=1", "rtsp://cam/1?user=a&password=***&channel=1")]
    [InlineData("GET /cgi?pwd=b c", "GET /cgi?pwd=*** c")]
    public void Clean_Urls_LoseTheirLogin(string text, string expected) =>
    Assert.Equal(expected, new Redactor().Clean(text));

    [Fact]
    public void Clean_KnownSecret_IsGonePlainAndEncoded()
    {
        var clean = new Redactor("hunter 2/x", "hunter%3A3", null, "")
            .Clean("a hunter 2/x b hunter%202%2Fx c hunter:3 d Hunter%3a3");

        Assert.DoesNotContain("hunter", clean, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task ReadAsync_UrlThatIsNone_FailsAsConfigWithoutRepeatingIt()
    {
        await using var rig = new SourceRig();
        var fault = await rig.FaultAsync(new SourceOptions { Url = "ftp://u:hunter2@host/" });

        Assert.Equal(SourceFault.Config, fault.Fault);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
    }
}
