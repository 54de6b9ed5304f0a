using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

public sealed class RtspAddressTests
{
    [Theory]
    [InlineData("rtsp://host/p", "rtsp://host:554/p", "host", 554, "", "")]
    [InlineData("rtsp://a:b@host/p", "rtsp://host:554/p", "host", 554, "a", "b")]
    [InlineData("rtsp://a:p%3A%40%2F%23%25@host/p", "rtsp://host:554/p", "host", 554, "a", "p:@/#%")]
    [InlineData("rtsp://a:b@c:d@host:8554/p?q=1", "rtsp://host:8554/p?q=1", "host", 8554, "a", "b@c:d")]
    [InlineData("rtsp://a@[fe80::1]:8554", "rtsp://[fe80::1]:8554", "fe80::1", 8554, "a", "")]
    [InlineData("rtsp://[fe80::1]/p", "rtsp://[fe80::1]:554/p", "fe80::1", 554, "", "")]
    [InlineData("RTSPS://host?x", "rtsps://host:322?x", "host", 322, "", "")]
    [InlineData("rtsps://:p@host:1", "rtsps://host:1", "host", 1, "", "p")]
    public void Parse_Url_PartsItFromItsLogin(string url, string without, string host, int port, string user,
        string password)
    {
        var address = RtspAddress.Parse(url);

        Assert.Equal((without, host, port, user, password),
            (address.Url, address.Host, address.Port, address.User, address.Password));
        Assert.Equal(url.StartsWith("rtsps", StringComparison.OrdinalIgnoreCase), address.Secure);
        Assert.Equal((user + password).Length > 0, address.HasLogin);
        Assert.Equal(url.Contains('?', StringComparison.Ordinal), address.HasQuery);
    }

    [Theory]
    [InlineData("rtsp://host/p", "u", "p:@/#%", "u", "p:@/#%")]
    [InlineData("rtsp://a:b@host/p", "u", null, "u", "b")]
    [InlineData("rtsp://a:b@host/p", null, "x y", "a", "x y")]
    public void Parse_LoginBeside_TakesThePlaceOfTheUrls(string url, string? given, string? secret, string user,
        string password)
    {
        var address = RtspAddress.Parse(url, given, secret);

        Assert.Equal((user, password), (address.User, address.Password));
    }

    [Theory]
    [InlineData("rtsp://a:b@one/p", "rtsp://two:8554/q", "rtsp://two:8554/q", "a", true)]
    [InlineData("rtsp://a:b@one/p", " rtsp://ONE/q ", "rtsp://ONE:554/q", "a", false)]
    [InlineData("rtsp://a:b@one/p", "rtsps://c:d@two/q", "rtsps://two:322/q", "c", false)]
    public void Follow_Location_HasTheLoginForItsHost(string from, string location, string url, string user,
        bool elsewhere)
    {
        var next = RtspAddress.Parse(from).Follow(location);

        Assert.Equal((url, user, elsewhere), (next.Url, next.User, next.IsElsewhere));
    }

    [Theory]
    [InlineData("rtsps://one/p", "rtsp://one/p")]
    [InlineData("rtsp://one/p", "http://one/p")]
    [InlineData("rtsp://one/p", "/elsewhere")]
    public void Follow_WithoutTlsOrNotACamera_Throws(string from, string location)
        => Assert.Equal(SourceFault.Config,
            Assert.Throws<SourceException>(() => RtspAddress.Parse(from).Follow(location)).Fault);

    [Theory]
    [InlineData("")]
    [InlineData("http://host/")]
    [InlineData("rtsp://")]
    [InlineData("rtsp:///path")]
    [InlineData("rtsp://u:p@/path")]
    [InlineData("rtsp://-host/")]
    [InlineData("rtsp://host/a b")]
    [InlineData("rtsp://host:0/")]
    [InlineData("rtsp://host:65536/")]
    [InlineData("rtsp://host:x/")]
    [InlineData("rtsp://[]:1/")]
    [InlineData("file:/etc/passwd")]
    public void IsValid_NotACamera_IsFalse(string url)
    {
        Assert.Null(RtspAddress.TryParse(url));
        Assert.Throws<SourceException>(() => RtspAddress.Parse(url));
    }

    [Fact]
    public void Parse_UserThatWouldBeTwoLines_Throws()
        => Assert.Throws<SourceException>(() =>
            RtspAddress.Parse("rtsp://a%0D%0AX-Y: z@host/".Replace(" ", "%20", StringComparison.Ordinal)));
}
