using Dvis.Streaming.Hosting.Configuration;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

public sealed class UrlRedactionTests
{
    [Theory]
    [InlineData("mqtt://robot:s3cret@broker:1883", "mqtt://robot:***@broker:1883")]
    [InlineData("mqtt://robot:p@ss@broker", "mqtt://robot:***@broker")]
    [InlineData("rtsp://u:a@b@c@cam/1 and mqtt://v:d@e", "rtsp://u:***@cam/1 and mqtt://v:***@e")]
    [InlineData("rtsp://cam/a@b", "rtsp://cam/a@b")]
    [InlineData("http://cam/?token=abc&x=1", "http://cam/?token=***&x=1")]
    public void Urls_Passwords_AreMaskedToTheirLastAt(string text, string expected)
        => Assert.Equal(expected, Redaction.Urls(text));
}
