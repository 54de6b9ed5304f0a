using System.Net;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Pipeline.Tests.Hosting.Cameras;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>Who gets which answer: tokens, switches of the configuration, and what is not there.</summary>
public sealed class PageAnswerTests : IAsyncDisposable
{
    private const string Token = "correct-horse.battery_staple~17";
    private const string NoFrames = "a: { synthetic: {} }";

    private static readonly string[] s_documents =
    [
        "/api/v1/status", "/api/v1/cameras", "/api/v1/tracks?camera=a", "/api/v1/events?camera=a", "/api/v1/config",
        "/api/v1/log", "/api/v1/openapi.json",
    ];

    private static readonly string[] s_pictures =
    [
        "/api/v1/cameras/a/snapshot.jpg", "/api/v1/cameras/a/live.mjpg", "/api/v1/cameras/a/frames/1.jpg",
    ];

    private readonly PageRig _rig = new();

    [Fact]
    public async Task Get_WithoutTheToken_IsRefused_SaveForFilesWithoutDataOfTheNode()
    {
        await _rig.StartAsync(token: Token, cameras: NoFrames);
        foreach (var path in (string[])[.. s_documents, .. s_pictures, "/api/v1/live", "/api/v1/nothing"])
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await _rig.CodeAsync(path));
            Assert.Equal(HttpStatusCode.Unauthorized, await _rig.CodeAsync(path, Token + "x"));
        }

        foreach (var path in s_documents) Assert.Equal(HttpStatusCode.OK, await _rig.CodeAsync(path, Token));
        Assert.Equal(HttpStatusCode.OK, await _rig.CodeAsync("/api/v1/live", Token));
        using var open = await _rig.GetAsync("/schemas/asyncapi.yaml");
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
        Assert.Contains("script-src 'self';", open.Headers.GetValues("Content-Security-Policy").Single(),
            StringComparison.Ordinal);
        using var answer = await _rig.GetAsync("/api/v1/config", Token);
        Assert.Equal("default-src 'none'; frame-ancestors 'none'",
            answer.Headers.GetValues("Content-Security-Policy").Single());
        var config = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain(Token, config, StringComparison.Ordinal);
        Assert.Contains("token: \\u0022***\\u0022", config, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Get_WhatIsNotThere_IsNotFound()
    {
        await _rig.StartAsync(cameras: NoFrames);
        foreach (var path in (string[])["/api/v1/tracks?camera=x", "/api/v1/tracks", "/api/v1/events?camera=x",
            "/api/v1/live?cameras=a,x", "/api/v1/cameras/x/snapshot.jpg", "/api/v1/cameras/x/live.mjpg",
            "/api/v1/cameras/x/frames/1.jpg", "/api/v1/cameras/a/frames/999999999.jpg",
            "/api/v1/cameras/a/frames/x.jpg", "/api/v1/cameras/a/frames/99999999999999999999.jpg",
            "/schemas/nothing.json", "/schemas/../config.yaml"])
            Assert.True(await _rig.CodeAsync(path) == HttpStatusCode.NotFound, path);
        foreach (var fps in (string[])["0", "-1", "11", "x", "NaN"])
            Assert.Equal(HttpStatusCode.BadRequest, await _rig.CodeAsync("/api/v1/live?fps=" + fps));
    }

    [Fact]
    public async Task Snapshot_NoFrame_IsUnavailable_WithASentence()
    {
        await _rig.StartAsync(
            cameras: NoFrames, adjust: s => ScriptedCamera.Use(s, ScriptedCamera.UntilStoppedAsync));
        using var response = await _rig.GetAsync("/api/v1/cameras/a/snapshot.jpg");
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "No frame of this camera came within 5 s."),
            (response.StatusCode, await response.Content.ReadAsStringAsync()));
        Assert.Equal(0, _rig.View.ViewerCount);
    }

    [Fact]
    public async Task Live_MoreViewersThanAllowed_AreRefused_AndOthersAreServed()
    {
        await _rig.StartAsync(
            cameras: NoFrames, adjust: s => ScriptedCamera.Use(s, ScriptedCamera.UntilStoppedAsync));
        var viewers = new List<HttpResponseMessage>();
        for (var i = 0; i < LiveView.MaxViewers; i++) viewers.Add(await _rig.GetAsync("/api/v1/live"));
        Assert.All(viewers, v => Assert.Equal(HttpStatusCode.OK, v.StatusCode));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, await _rig.CodeAsync("/api/v1/live"));
        Assert.Equal(HttpStatusCode.OK, await _rig.CodeAsync("/metrics"));
        var status = await _rig.JsonAsync("/api/v1/status");
        Assert.Equal(LiveView.MaxViewers, status.GetProperty("viewers").GetInt32());

        viewers.ForEach(v => v.Dispose());
        await Eventually.TrueAsync(() => _rig.View.ViewerCount == 0, "the viewers have left");
        Assert.Equal(HttpStatusCode.OK, await _rig.CodeAsync("/api/v1/live"));
    }

    [Fact]
    public async Task PageOff_NothingOfItIsServed()
    {
        await _rig.StartAsync(http: ", page: off", cameras: NoFrames);
        foreach (var path in (string[])[.. s_documents, .. s_pictures, "/api/v1/live", "/schemas/asyncapi.yaml"])
            Assert.True(await _rig.CodeAsync(path) == HttpStatusCode.NotFound, path);
        Assert.Contains("/health/ready", await _rig.Http.GetStringAsync(_rig.Uri("/")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ImagesOff_TheFeedHasNoPictures_AndNothingIsEncoded()
    {
        await _rig.StartAsync(http: ", images: off");
        Assert.False((await _rig.JsonAsync("/api/v1/status")).GetProperty("images").GetBoolean());
        foreach (var path in s_pictures) Assert.Equal(HttpStatusCode.NotFound, await _rig.CodeAsync(path));
        var finals = 0;
        await foreach (var (name, data) in _rig.FeedAsync("cameras=a&final=1"))
        {
            if (name == "frame") Assert.Equal("", data.GetProperty("picture").ToString());
            if (name == "final" && ++finals == 3) break;
        }

        Assert.Equal(0, _rig.View.Encoded);
    }

    public ValueTask DisposeAsync() => _rig.DisposeAsync();
}
