using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>The examples of the standards.</summary>
public sealed class RtspLoginTests
{
    private const string Rfc7616 =
        "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
        + "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
            + "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";

    [Theory]
    [InlineData("Digest " + Rfc7616 + ", algorithm=MD5", "8ca523f5e9506fed4657c9700eebdbec")]
    [InlineData("Digest " + Rfc7616
        + ", algorithm=SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")]
    public void Answer_Rfc7616_IsThatOfTheStandard(string challenge, string response)
    {
        var login = new RtspLogin("Mufasa", "Circle of Life", clientNonce: () =>
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        Assert.Null(login.Answer("GET", "/dir/index.html"));

        Assert.True(login.Take([challenge], answered: false));

        var answer = login.Answer("GET", "/dir/index.html");
        Assert.Contains($"response=\"{response}\"", answer, StringComparison.Ordinal);
        Assert.Contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"", answer, StringComparison.Ordinal);
        Assert.Contains("qop=auth, nc=00000001", answer, StringComparison.Ordinal);
        Assert.Contains("nc=00000002", login.Answer("GET", "/"), StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_Rfc2617_IsThatOfTheStandard()
    {
        var login = new RtspLogin("Mufasa", "Circle Of Life", clientNonce: () => "0a4f113b");
        Assert.True(
            login.Take(
                ["Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                    + "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""],
                    false));

        Assert.Contains("response=\"6629fae49393a05397450978507c4ef1\"", login.Answer("GET", "/dir/index.html"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_Rfc7617_IsThatOfTheStandard()
    {
        var login = new RtspLogin("Aladdin", "open sesame");
        Assert.True(login.Take(["Basic realm=\"WallyWorld\""], false));

        Assert.Equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", login.Answer("DESCRIBE", "rtsp://x/"));
    }

    [Fact]
    public void Take_SeveralChallenges_TheStrongestIsAnswered()
    {
        var login = new RtspLogin("u", "p");
        Assert.True(
            login.Take(
                ["Basic realm=\"r\"", "Digest realm=\"r\", nonce=\"1\", algorithm=MD5",
                    "Digest realm=\"r\", nonce=\"2\", algorithm=SHA-256",
                        "Digest realm=\"r\", nonce=\"3\", algorithm=SHA-512-256"], false));

        Assert.Contains("nonce=\"2\"", login.Answer("PLAY", "rtsp://x/"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Basic realm=\"a\", Digest realm=\"r\", nonce=\"1\"")]
    [InlineData("Digest realm=\"r\", nonce=\"1\", Basic realm=\"a\"")]
    [InlineData("Basic realm=\"Digest, nonce=2\", digest REALM=\"r\" ,Nonce=1")]
    [InlineData("Negotiate, Basic realm=a, Digest realm=\"r\", nonce=\"1\", qop=\"\", stale=false")]
    public void Take_SeveralChallengesInOneHeader_DigestIsAnswered(string header)
    {
        var login = new RtspLogin("u", "p");
        Assert.True(login.Take([header], false));

        // MD5 of "MD5(u:r:p):1:MD5(PLAY:rtsp://x/)", computed elsewhere.
        Assert.Equal("Digest username=\"u\", realm=\"r\", nonce=\"1\", uri=\"rtsp://x/\", "
            + "response=\"61e5b2ed3312c842c117b72f2c22a1fd\"", login.Answer("PLAY", "rtsp://x/"));
    }

    [Fact]
    public void Take_RealmWithCommas_IsOneValue()
    {
        var login = new RtspLogin("u", "p");
        Assert.True(login.Take(["Digest realm=\"a, Basic realm=b, nonce=9\", nonce=\"1\""], false));

        Assert.Contains("realm=\"a, Basic realm=b, nonce=9\", nonce=\"1\"", login.Answer("PLAY", "rtsp://x/"),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Take_DigestThatIsNotSupported_NeverSendsThePassword()
    {
        Assert.False(new RtspLogin("u", "p").Take(
            ["Basic realm=\"r\"", "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256"], false));
        Assert.False(new RtspLogin("u", "p", digestOnly: true).Take(["Basic realm=\"r\""], false));
    }

    [Theory]
    [InlineData("Negotiate, NTLM, Negotiate", "it asks for Negotiate, NTLM; supported are")]
    [InlineData("Basic realm=\"b\", Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256, qop=\"auth\"",
        "it asks for Basic, Digest with SHA-512-256 and qop auth; supported are")]
    [InlineData("Digest nonce=\"1\", qop=\"auth-int\"", "it asks for Digest with MD5 and qop auth-int; supported are")]
    [InlineData("Digest realm=\"r\"", "it asks for Digest without a nonce; supported are")]
    [InlineData("Digest nonce=1, algorithm=\"\u009b31m<a a>\"", "it asks for Digest with 31maa; supported are")]
    public void Unsupported_NothingThatCanBeAnswered_NamesIt(string header, string expected)
        => Assert.StartsWith(expected, new RtspLogin("u", "p").Unsupported([header]), StringComparison.Ordinal);

    [Fact]
    public void Unsupported_SomethingThatCanBeAnswered_IsNull()
    {
        var login = new RtspLogin("u", "p");
        Assert.Null(login.Unsupported(["Negotiate", "Basic realm=\"r\""]));
        Assert.Null(login.Unsupported(["Digest nonce=\"1\", algorithm=SHA-512-256", "Digest nonce=\"1\""]));
        Assert.Null(login.Unsupported([]));
        Assert.Equal("it asks for Basic; supported are Digest with SHA-256 or MD5, and Basic not at another host",
            new RtspLogin("u", "p", digestOnly: true).Unsupported(["Basic realm=\"r\""]));
    }

    [Fact]
    public void Take_RefusedAgain_AnswersOnlyWhatIsNew()
    {
        var login = new RtspLogin("u", "p");
        Assert.False(login.Take([], false));
        Assert.False(login.Take(["Digest realm=\"a\nTEARDOWN\", nonce=\"1\""], false));
        Assert.False(
            login.Take(["Negotiate", "Digest realm=\"no nonce\"", "Digest nonce=\"1\", qop=\"auth-int\""], false));
        Assert.True(login.Take(["Digest realm=\"r\", nonce=\"1\""], false));
        Assert.False(login.Take(["Digest realm=\"r\", nonce=\"1\""], answered: true));
        // a wrong login must not lock itself out
        Assert.False(login.Take(["Digest realm=\"r\", nonce=\"2\""], answered: true));
        Assert.True(login.Take(["Digest realm=\"r\", nonce=\"2\", stale=TRUE"], answered: true));
        login.Accepted();
        Assert.True(login.Take(["Digest realm=\"r\", nonce=\"3\""], answered: true));
        Assert.False(login.Take(["Digest realm=\"r\", nonce=\"3\", stale=false"], answered: true));
    }
}
