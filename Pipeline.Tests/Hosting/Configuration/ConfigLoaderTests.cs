using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

public sealed class ConfigLoaderTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    [Theory]
    [InlineData("${WHO}", "gate")]
    [InlineData("x${WHO}y${WHO}", "xgateygate")]
    [InlineData("${WHO:-other}", "gate")]
    [InlineData("${NOBODY:-other}", "other")]
    [InlineData("${EMPTY:-other}", "other")]
    [InlineData("${WHO:?is needed}", "gate")]
    [InlineData("${file:secret}", "hunter_2")]
    public void Substitution_InText_IsFilledIn(string text, string expected)
    {
        _folder.Environment["WHO"] = "gate";
        _folder.Environment["EMPTY"] = "";
        _folder.Write("secret", "hunter_2\n");
        Assert.Equal(expected, _folder.Load(ConfigFolder.Cameras + $"node: {{ id: '{text}' }}").Options.Node.Id);
    }

    [Theory]
    [InlineData("a$$b", "a$b")]
    [InlineData("$", "$")]
    [InlineData("a$b$", "a$b$")]
    [InlineData("$${WHO}", "${WHO}")]
    public void Substitution_Dollars_StayDollars(string text, string expected) =>
        Assert.Equal(expected,
            _folder.Load(ConfigFolder.Cameras + $"mqtt: {{ username: u, password: '{text}' }}").Options.Mqtt.Password);

    [Fact]
    public void Substitution_ValueLooksLikeYaml_CannotBreakTheFile()
    {
        _folder.Environment["PASS"] = "a: b # c }";
        Assert.Equal("a: b # c }",
            _folder.Load(ConfigFolder.Cameras + "mqtt: { username: u, password: \"${PASS}\" }").Options.Mqtt.Password);
    }

    [Fact]
    public void Substitution_ValueHoldsDollars_IsNotFilledInAgain()
    {
        _folder.Environment["PASS"] = "${HOME}$$";
        Assert.Equal("${HOME}$$",
            _folder.Load(ConfigFolder.Cameras + "mqtt: { username: u, password: \"${PASS}\" }").Options.Mqtt.Password);
    }

    [Fact]
    public void Path_NotBesideTheConfiguration_IsFoundInTheShippedTree()
    {
        Directory.Delete(Path.Combine(_folder.Root, "Models"), recursive: true);

        var options = _folder.Load("cameras: { a: { file: samples/street.mp4 } }").Options;

        Assert.Equal(Repo.Path("Models/default"), options.Model.Path);
        Assert.Equal(Repo.Path("samples/street.mp4"), options.Cameras["a"].Source.File);
    }

    [Fact]
    public void Path_BesideTheConfigurationToo_IsThatOne()
    {
        _folder.Write("samples/street.mp4", "");

        var options = _folder.Load("cameras: { a: { file: samples/street.mp4 } }").Options;

        Assert.Equal(Path.Combine(_folder.Root, "Models/default"), options.Model.Path);
        Assert.Equal(Path.Combine(_folder.Root, "samples/street.mp4"), options.Cameras["a"].Source.File);
    }

    [Fact]
    public void Path_OfAnOutput_IsBesideTheConfiguration()
    {
        var options = _folder.Load(ConfigFolder.Cameras + "sinks: { json_lines: { path: README.md } }").Options;

        Assert.Equal(Path.Combine(_folder.Root, "README.md"), options.Sinks.JsonLines.Path);
    }

    [Fact]
    public void FileTwin_RelativeName_IsFoundInCredentialsDirectoryFirst()
    {
        _folder.Write("pass", "beside\n");
        var credentials = Path.GetDirectoryName(_folder.Write("credentials/pass", "from systemd\n"))!;
        const string Yaml = "cameras: { a: { url: 'rtsp://h/x', username: u, password_file: pass } }";

        Assert.Equal("beside", _folder.Load(Yaml).Options.Cameras["a"].Source.Password);
        _folder.Environment["CREDENTIALS_DIRECTORY"] = credentials;
        Assert.Equal("from systemd", _folder.Load(Yaml).Options.Cameras["a"].Source.Password);
    }

    [Fact]
    public void FileTwin_WithTheSecretItself_IsAnError()
    {
        _folder.Write("pass", "x");
        Assert.Equal(
            ["config.yaml:1:51: cameras.a.password_file: set together with password; expected only one of them"],
            _folder.Errors("cameras: { a: { url: 'rtsp://h/x', password: pw, password_file: pass } }".Replace(
                "password: pw", "password: 'p'", StringComparison.Ordinal)));
    }

    [Fact]
    public void Environment_OverridesAnyKey()
    {
        _folder.Environment["DVIS__MQTT__SERVERS__0"] = "mqtt://other:1";
        _folder.Environment["DVIS__CAMERAS__FRONT_DOOR__RATE__MAX_FPS"] = "7.5";
        _folder.Environment["DVIS__RUNTIME__PROVIDER"] = "[cuda, cpu]";
        _folder.Environment["DVIS__MQTT__PASSWORD"] = "${HOME}: # $$";
        _folder.Environment["DVIS__MQTT__USERNAME"] = "u";
        var options = _folder.Load(
            "cameras: { front-door: { file: a.mp4 } }\nmqtt: { servers: ['mqtt://a', 'mqtt://b'] }").Options;

        Assert.Equal(["mqtt://other:1", "mqtt://b"], options.Mqtt.Servers);
        Assert.Equal(7.5, options.Cameras["front-door"].Source.Rate.MaxFps);
        Assert.Equal(["cuda", "cpu"], options.Runtime.Provider);
        Assert.Equal("${HOME}: # $$", options.Mqtt.Password);
    }

    [Fact]
    public void Environment_Wrong_NamesTheVariable()
    {
        _folder.Environment["DVIS__HTTP__BNID"] = "127.0.0.1:1";
        Assert.Equal(["DVIS__HTTP__BNID: http.bnid: found an unknown key; did you mean 'bind'?"],
            _folder.Errors(ConfigFolder.Cameras));
    }

    [Fact]
    public void Set_WinsOverEnvironmentAndFile()
    {
        _folder.Environment["DVIS__LOGGING__LEVEL"] = "debug";
        var options = _folder.Load(ConfigFolder.Cameras
            + "logging: { level: error }", "logging.level=warning", "mqtt.servers=[]").Options;
        Assert.Equal(LogSeverity.Warning, options.Logging.Level);
        Assert.Empty(options.Mqtt.Servers);
    }

    [Fact]
    public void Set_AnIndexBehindTheEnd_IsAnError() =>
        Assert.Equal(
            ["--set mqtt.servers.5: mqtt.servers.5: found index 5, expected at most 0: the list has 0 entries"],
            _folder.Errors(ConfigFolder.Cameras, "mqtt.servers.5=mqtt://a"));

    [Fact]
    public void Defaults_AreInherited_AndOverriddenKeyByKey()
    {
        var cameras = _folder.Load("""
            defaults:
              rtsp: { transport: udp, backoff: { initial: 3s } }
              rate: { max_fps: 5 }
            cameras:
              a: { file: a.mp4 }
              b: { file: a.mp4, rtsp: { backoff: { max: 5m } }, rate: { max_fps: 9 } }
            """).Options.Cameras;

        var (a, b) = (cameras["a"].Source, cameras["b"].Source);
        Assert.Equal((RtspTransport.Udp, 3.0, 60.0, 5.0),
            (a.Rtsp.Transport, a.Rtsp.Backoff.Initial.TotalSeconds, a.Rtsp.Backoff.Max.TotalSeconds, a.Rate.MaxFps));
        Assert.Equal((RtspTransport.Udp, 3.0, 300.0, 9.0),
            (b.Rtsp.Transport, b.Rtsp.Backoff.Initial.TotalSeconds, b.Rtsp.Backoff.Max.TotalSeconds, b.Rate.MaxFps));
    }

    [Fact]
    public void Anchors_AndMergeKeys_Work()
    {
        var cameras = _folder.Load(
            "cameras:\n  a: &base { file: a.mp4, loop: true }\n  b: { <<: *base, loop: false }\n").Options.Cameras;
        Assert.True(cameras["a"].Source.Loop);
        Assert.False(cameras["b"].Source.Loop);
        Assert.Equal(cameras["a"].Source.File, cameras["b"].Source.File);
    }

    [Fact]
    public void Include_AddsCameras_InOrderOfNames()
    {
        _folder.Write("cameras.d/2.yaml", "cameras: { c: { file: a.mp4 } }");
        _folder.Write("cameras.d/1.yaml", "cameras: { b: { file: a.mp4 } }\ndefaults: { rate: { max_fps: 3 } }");
        var cameras = _folder.Load(ConfigFolder.Cameras + "include: [cameras.d/*.yaml]").Options.Cameras;
        Assert.Equal(["a", "b", "c"], cameras.Keys);
        Assert.All(cameras.Values, c => Assert.Equal(3, c.Source.Rate.MaxFps));
    }

    [Fact]
    public void Include_SetsWhatIsAlreadySet_NamesBothPlaces()
    {
        _folder.Write("more.yaml", "node: { id: x }\ncameras: { a: { loop: true, file: a.mp4 } }");
        var errors = _folder.Errors(ConfigFolder.Cameras + "node: { id: y }\ninclude: [more.yaml]");
        Assert.Equal(["more.yaml:1:9: node.id: already set at config.yaml:2:9",
            "more.yaml:2:29: cameras.a.file: already set at config.yaml:1:17"], errors);
    }

    [Fact]
    public void Paths_Relative_CountFromTheFolderOfTheFile()
    {
        Directory.CreateDirectory(Path.Combine(_folder.Root, "out"));
        var options = _folder.Load(ConfigFolder.Cameras + "sinks: { json_lines: { path: out/x.jsonl } }").Options;
        Assert.Equal(Path.Combine(_folder.Root, "a.mp4"), options.Cameras["a"].Source.File);
        Assert.Equal(Path.Combine(_folder.Root, "Models/default"), options.Model.Path);
        Assert.Equal(Path.Combine(_folder.Root, "out/x.jsonl"), options.Sinks.JsonLines.Path);
    }

    [Fact]
    public void EmptySection_MeansItsDefaults() =>
        Assert.Equal("dvis/v1",
            _folder.Load(ConfigFolder.Cameras + "mqtt:\n  # all commented out\nhttp: ~\n").Options.Mqtt.Root);

    [Fact]
    public void PrintEffective_HoldsNoSecret_AndReadsBack()
    {
        _folder.Write("pass", "from-a-file\n");
        _folder.Environment["CAM"] = "in-the-url";
        const string Yaml = """
            cameras:
              a: { url: "rtsp://admin:${CAM}@10.0.0.5/x?token=in-the-query" }
              b: { url: rtsp://10.0.0.6/x, username: u-s-e-r, password_file: pass }
              c: { file: a.mp4, publish: { labels: [circle] } }
            mqtt: { username: 'l "i" $$b', password: inline-secret, client_id: "x-${file:pass}", root: a/b }
            """;
        var printed = EffectiveConfig.Write(_folder.Load(Yaml));

        foreach (var secret in new[] { "from-a-file", "in-the-url", "in-the-query", "inline-secret", "u-s-e-r" })
            Assert.DoesNotContain(secret, printed, StringComparison.Ordinal);
        Assert.Contains("rtsp://admin:***@10.0.0.5/x?token=***", printed, StringComparison.Ordinal);
        Assert.Equal(printed, EffectiveConfig.Write(_folder.Load(printed)));
    }

    [Theory]
    [InlineData("true", true), InlineData("True", true), InlineData("on", true), InlineData("ON", true)]
    [InlineData("yes", true), InlineData("'Yes'", true)]
    [InlineData("false", false), InlineData("FALSE", false), InlineData("off", false), InlineData("Off", false)]
    [InlineData("no", false), InlineData("No", false)]
    public void Load_Switch_TakesEveryWordInAnyCase(string word, bool on)
    {
        var publish = $"{{ masks: {word}, contours: {word}{(on ? "" : $", map: {word}")} }}";
        var options = _folder.Load(
            $"cameras: {{ a: {{ file: a.mp4, loop: {word}, publish: {publish} }} }}\n"
            + $"mqtt: {{ commands: {{ enabled: {word} }} }}").Options;
        var camera = options.Cameras["a"];
        Assert.Equal((on, on, on),
            (camera.Results.Publish.Contours, camera.Source.Loop, options.Mqtt.Commands.Enabled));
        Assert.Equal(on ? MaskOutput.On : MaskOutput.Off, camera.Results.Publish.Masks);
        Assert.Equal(on ? MapOutput.Auto : MapOutput.Off, camera.Results.Publish.Map);
    }

    [Fact]
    public void Load_KeysWithX_HoldAnchorsInEveryFile()
    {
        _folder.Write("more.yaml",
            "x-both: &b { publish: { contours: true } }\ncameras: { b: { <<: *b, file: a.mp4 } }");
        var cameras = _folder.Load("""
            x-both: &b { loop: true, file: '${NOT_SET}' }
            x-list: [1, 2]
            cameras: { a: { <<: *b, file: a.mp4 } }
            include: [more.yaml]
            """).Options.Cameras;
        Assert.True(cameras["a"].Source.Loop);
        Assert.True(cameras["b"].Results.Publish.Contours);
    }

    public void Dispose() => _folder.Dispose();
}
