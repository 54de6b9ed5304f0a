using System.Text;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

public sealed class ConfigErrorTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    public static TheoryData<string, string> Mistakes => new()
    {
        // one mistake a row, over a valid first line; what is printed, to the letter
        { "verison: 1", "config.yaml:2:1: verison: found an unknown key; did you mean 'version'?" },
        { "version: 2", "config.yaml:2:10: version: found 2, expected 1" },
        { "node: { id: Gate 3 }",
            "config.yaml:2:13: node.id: found 'Gate 3', expected 1 to 64 of the characters a-z 0-9 _ -" },
        { "node: gate", "config.yaml:2:7: node: found 'gate', expected a section with keys" },
        { "node: { id: [a] }", "config.yaml:2:13: node.id: found a list, expected a single value" },
        { "node:\n  id:\n", "config.yaml:3:6: node.id: found nothing, expected a value" },
        { "model: { refiner: { window: many } }",
            "config.yaml:2:29: model.refiner.window: found 'many', expected a whole number" },
        { "model: { refiner: { window: 0 } }", "config.yaml:2:29: model.refiner.window: found 0, expected 1 to 512" },
        { "model: { refiner: { window: 8 } }",
            "config.yaml:2:19: model.refiner: found stride 5 + lookahead 5 = 10, expected at most the window of 8 "
                + "frames" },
        { "model: { precision: fp61 }",
            "config.yaml:2:21: model.precision: found 'fp61', expected one of auto, fp32, fp16, int8; did you mean "
                + "'fp16'?" },
        { "model: { path: nowhere }",
            "config.yaml:2:16: model.path: found 'nowhere', expected a folder with a manifest.json" },
        { "model: { precision: int8 }",
            "config.yaml:2:21: model.precision: found 'int8', expected what this model has: fp32" },
        { "model: { refiner: { window: 21 } }",
            "config.yaml:2:29: model.refiner.window: found 21, expected at most 20: this model's refiner takes no "
                + "more" },
        { "defaults: { publish: { labels: [sqare] } }",
            "config.yaml:2:33: defaults.publish.labels[0]: found 'sqare', expected a class of the model: circle, "
                + "square; did you mean 'square'?" },
        { "defaults: { track: { classes: { sqare: { min_score: 0.5 } } } }",
            "config.yaml:2:33: defaults.track.classes.sqare: found 'sqare', expected a class of the model: circle, "
                + "square; did you mean 'square'?" },
        { "defaults: { track: { classes: { square: { min_score: 1.5 } } } }",
            "config.yaml:2:54: defaults.track.classes.square.min_score: found 1.5, expected 0 to 1" },
        { "runtime: { library: nowhere.so }",
            "config.yaml:2:12: runtime.library: found a key of former versions; expected no key: ONNX Runtime comes "
                + "with the program, for GPUs when it is built with -p:Gpu=true" },
        { "runtime: { on_missing_provider: stop }",
            "config.yaml:2:12: runtime.on_missing_provider: found a key of former versions; expected runtime.provider "
                + "with every acceptable provider in order of preference, and runtime.require to stop rather than use "
                    + "a later one" },
        { "runtime: { provider: [tensorrt, cpu], require: cuda }",
            "config.yaml:2:48: runtime.require: found 'cuda', expected one of runtime.provider: tensorrt, cpu" },
        { "runtime: { provider: cuda }",
            "config.yaml:2:22: runtime.provider: found 'cuda', expected a list such as [a, b]" },
        { "runtime: { provider: [] }",
            "config.yaml:2:22: runtime.provider: found an empty list, expected at least 1 entry" },
        { "runtime: { provider: [cuda, gpu] }",
            "config.yaml:2:29: runtime.provider[1]: found 'gpu', expected one of tensorrt, cuda, cpu; did you mean "
                + "'cpu'?" },
        { "defaults: { clock: { prefer: [ntp, arrival] } }",
            "config.yaml:2:31: defaults.clock.prefer[0]: found 'ntp', expected one of rtcp_sr, arrival" },
        { "runtime: { provider: [cuda, {}] }",
            "config.yaml:2:29: runtime.provider[1]: found a section, expected a single value" },
        { "runtime: { batch: { timeout: 10 } }",
            "config.yaml:2:30: runtime.batch.timeout: found '10', expected a duration such as 500ms, 10s, 2m or 1h" },
        { "defaults: { rtsp: { connect_timeout: 1ms } }",
            "config.yaml:2:38: defaults.rtsp.connect_timeout: found '1ms', expected 100ms to 10m" },
        { "defaults: { rtsp: { transprot: udp } }",
            "config.yaml:2:21: defaults.rtsp.transprot: found an unknown key; did you mean 'transport'?" },
        { "defaults: { clock: { prefer: [rtcp_sr] } }",
            "config.yaml:2:30: defaults.clock.prefer: must be [rtcp_sr, arrival] or [arrival]" },
        { "defaults: { rate: { max_fps: fast } }",
            "config.yaml:2:30: defaults.rate.max_fps: found 'fast', expected a number" },
        { "defaults: { publish: { contours: y } }",
            "config.yaml:2:34: defaults.publish.contours: found 'y', expected true or false" },
        { "defaults: { publish: { masks: maybe } }",
            "config.yaml:2:31: defaults.publish.masks: found 'maybe', expected one of off, on" },
        { "defaults: { publish: { mask_grid: 3 } }",
            "config.yaml:2:35: defaults.publish.mask_grid: found 3, expected one of 1, 2, 4, 8" },
        { "defaults: { domain: real }",
            "config.yaml:2:13: defaults.domain: found an unknown key, expected one of rtsp, clock, decode, rate, "
                + "queue, track, panoptic, publish" },
        { "mqtt: { max_message_bytes: 8kb }",
            "config.yaml:2:28: mqtt.max_message_bytes: found '8kb', expected a size such as 8192, 64KiB or 256MiB" },
        { "mqtt: { servers: [tcp://broker] }",
            "config.yaml:2:18: mqtt.servers: servers[0] must be mqtt://host[:port] or mqtts://host[:port], without "
                + "user or path" },
        { "mqtt: { username: a, password: { x: s3cret } }",
            "config.yaml:2:32: mqtt.password: found a section, expected a single value" },
        { "http: { bind: '8080' }",
            "config.yaml:2:15: http.bind: found '8080', expected an address and port such as 127.0.0.1:8080" },
        { "http: { bind: '0.0.0.0:8080' }",
            "config.yaml:2:15: http.bind: found '0.0.0.0:8080', which others can reach; expected a loopback address, "
                + "or a token in a file that http.token_file names" },
        { "http: { bind: '[::]:8080' }",
            "config.yaml:2:15: http.bind: found '[::]:8080', which others can reach; expected a loopback address, or "
                + "a token in a file that http.token_file names" },
        { "http: { token: fifteen-letters }",
            "config.yaml:2:16: http.token: found a secret, expected 16 to 256 of the characters A-Z a-z 0-9 - . _ ~ + "
                + "/ =, for example from: openssl rand -hex 24" },
        { "http: { token: 'two words of enough length' }",
            "config.yaml:2:16: http.token: found a secret, expected 16 to 256 of the characters A-Z a-z 0-9 - . _ ~ + "
                + "/ =, for example from: openssl rand -hex 24" },
        { "http: { allow_remote: true }",
            "config.yaml:2:9: http.allow_remote: found a key of former versions; expected http.token_file, which "
                + "names a file with the token that others must send" },
        { "logging: { level: info, level: debug }",
            "config.yaml:2:25: level: set twice in one section; first in line 2" },
        { "node:\n\tid: a", "config.yaml:3:1: not valid YAML: indentation must be spaces, found a tab" },
        { "node: { id: '${NOPE}' }",
            "config.yaml:2:13: node.id: the environment variable NOPE is not set; expected it, or ${NOPE:-default}" },
        { "node: { id: '${NOPE:?name this gate}' }",
            "config.yaml:2:13: node.id: the environment variable NOPE is not set: name this gate" },
        { "node: { id: '${NOPE' }",
            "config.yaml:2:13: node.id: found '${' without '}', expected ${NAME}; a dollar sign itself is written $$" },
        { "node: { id: '${1X}' }",
            "config.yaml:2:13: node.id: found '${1X}', expected ${NAME}, ${NAME:-default}, ${NAME:?message} or "
                + "${file:/path}" },
        { "node: { id: '${file:/nope/x}' }",
            "config.yaml:2:13: node.id: the file '/nope/x' does not exist; looked at /nope/x" },
        { "include: [Models]", "config.yaml:2:11: include: the file 'Models' is a folder" },
        { "mqtt: { username: u, password_file: Models }",
            "config.yaml:2:37: mqtt.password_file: the file 'Models' is a folder" },
        { "sinks: { json_lines: { path: Models } }",
            "config.yaml:2:30: sinks.json_lines.path: the file 'Models' is a folder" },
        { "sinks: { json_lines: { path: out/x.jsonl } }",
            "config.yaml:2:30: sinks.json_lines.path: the folder 'out' does not exist" },
        { "sinks: { json_lines: { path: a.mp4/x.jsonl } }",
            "config.yaml:2:30: sinks.json_lines.path: the folder 'a.mp4' is a file" },
        { "sinks: { json_lines: { path: ./config.yaml } }",
            "config.yaml:2:30: sinks.json_lines.path: the file 'config.yaml' is read by this configuration; expected "
                + "another one for the results" },
        { "sinks: { json_lines: { path: a.mp4 } }",
            "config.yaml:2:30: sinks.json_lines.path: the file 'a.mp4' is read by this configuration; expected "
                + "another one for the results" },
        { "mqtt: { outbox: { path: a.mp4 } }",
            "config.yaml:2:25: mqtt.outbox.path: found 'a.mp4', expected a folder: 'a.mp4' is a file" },
        { "mqtt: { outbox: { path: a.mp4/b/c } }",
            "config.yaml:2:25: mqtt.outbox.path: found 'a.mp4/b/c', expected a folder: 'a.mp4' is a file" },
        { "mqtt: { tls: { ca: Models } }", "config.yaml:2:20: mqtt.tls.ca: the file 'Models' is a folder" },
        { "mqtt: { tls: { ca: ca.pem } }", "config.yaml:2:20: mqtt.tls.ca: the file 'ca.pem' does not exist" },
        { "mqtt: { tls: { cert: Models, key: a.mp4 } }",
            "config.yaml:2:22: mqtt.tls.cert: the file 'Models' is a folder" },
        { "mqtt: { tls: { cert: a.mp4, key: Models } }",
            "config.yaml:2:34: mqtt.tls.key: the file 'Models' is a folder" },
        { "defaults: { rtsp: { tls: { ca: Models } } }",
            "config.yaml:2:32: defaults.rtsp.tls.ca: the file 'Models' is a folder" },
        { "mqtt: { username: u, username_file: a.mp4 }",
            "config.yaml:2:37: mqtt.username_file: username_file is set together with username; expected only one of "
                + "them" },
        { "mqtt: { username: u, password: p, password_file: a.mp4 }",
            "config.yaml:2:50: mqtt.password_file: password_file is set together with password; expected only one of "
                + "them" },
        { "x-node: &n { id: Gate 3 }\nnode: *n",
            "config.yaml:2:18: node.id: found 'Gate 3', expected 1 to 64 of the characters a-z 0-9 _ -" },
        { "node: { x-id: a }", "config.yaml:2:9: node.x-id: found an unknown key, expected one of id" },
        { "include: [missing.yaml]", "config.yaml:2:11: include: the file 'missing.yaml' does not exist" },
        { "node: { id: !!str a }",
            "config.yaml:2:13: not valid YAML: found the tag 'tag:yaml.org,2002:str', expected a plain value" },
        { "node: { id: *who }",
            "config.yaml:2:13: not valid YAML: found the alias '*who', but no anchor '&who' stands before it" },
        { "node: { id: 'a\0' }", "config.yaml: cannot be read: line 2 has a NUL character" },
        { "include: [ \"b\\0.yaml\" ]", "config.yaml:2:12: not valid YAML: found a NUL character in a text" },
        { "model: { path: \"a\\0b\" }", "config.yaml:2:16: not valid YAML: found a NUL character in a text" },
        { "\"no\\0de\": {}", "config.yaml:2:1: not valid YAML: found a NUL character in a text" },
        { "node: &n { id: *n }", "config.yaml:2:16: not valid YAML: the alias '*n' stands inside its own anchor" },
        { "---\nnode: {}", "config.yaml:2:1: not valid YAML: found a second document, expected one" },
    };

    [Theory, MemberData(nameof(Mistakes))]
    public void Load_OneMistake_NamesPlaceKeyFoundAndExpected(string line, string expected) =>
        Assert.Equal([expected], _folder.Errors(ConfigFolder.Cameras + line));

    [Fact]
    public void Load_StrideAndLookaheadFillTheWindow_IsNoMistake() =>
        Assert.Empty(_folder.Errors(ConfigFolder.Cameras + "model: { refiner: { window: 10 } }"));

    [Theory]
    [InlineData("cameras: {}", "config.yaml:1:10: cameras: found no camera, expected at least one")]
    [InlineData("cameras: { A1: { file: a.mp4 } }",
        "config.yaml:1:12: cameras.A1: found the name 'A1', expected 1 to 64 of the characters a-z 0-9 _ -")]
    [InlineData("cameras: { a: { file: b.mp4 } }", "config.yaml:1:23: cameras.a.file: the file 'b.mp4' does not exist")]
    [InlineData("cameras: { a: { file: Models } }", "config.yaml:1:23: cameras.a.file: the file 'Models' is a folder")]
    [InlineData("cameras: { a: { loop: true } }",
        "config.yaml:1:12: cameras.a: exactly one of url, device, file and synthetic must be set, not 0")]
    [InlineData("cameras: { a: { file: a.mp4, url: 'rtsp://h/x' } }",
        "config.yaml:1:35: cameras.a.url: exactly one of url, device, file and synthetic must be set, not 2")]
    [InlineData("cameras: { a: { file: a.mp4, device: /dev/video0 } }",
        "config.yaml:1:38: cameras.a.device: exactly one of url, device, file and synthetic must be set, not 2")]
    [InlineData("cameras: { a: { file: a.mp4, v4l2: { fps: 30 } } }",
        "config.yaml:1:36: cameras.a.v4l2: v4l2 needs a device")]
    [InlineData("cameras: { a: { device: /dev/video0, v4l2: { width: 640 } } }",
        "config.yaml:1:53: cameras.a.v4l2.width: width and height must be set together")]
    [InlineData("cameras: { a: { device: /dev/video0, v4l2: { format: mjpeg } } }",
        "config.yaml:1:54: cameras.a.v4l2.format: found 'mjpeg', expected one of auto, mjpg, yuyv, uyvy, nv12, yu12, "
        + "grey; did you mean 'mjpg'?")]
    [InlineData("cameras: { a: { url: 'rtsp://h/x', decode: { backend: opencv } } }",
        "config.yaml:1:55: cameras.a.decode.backend: found 'opencv', expected ffmpeg for a url: the FFmpeg inside "
        + "OpenCV is built without network")]
    [InlineData("defaults: { decode: { backend: opencv } }\ncameras: { a: { url: 'rtsp://h/x' }, b: { file: a.mp4 } }",
        "config.yaml:1:32: cameras.a.decode.backend: found 'opencv', expected ffmpeg for a url: the FFmpeg inside "
        + "OpenCV is built without network")]
    [InlineData("cameras: { a: { url: 'ftp://u:pw@h/x' } }",
        "config.yaml:1:22: cameras.a.url: must be a rtsp://, rtsps://, http://, https://, rtmp:// or srt:// URL "
        + "with a host")]
    [InlineData("cameras: { a: { url: 'rtsp://u:pw@h/x', username: v } }",
        "config.yaml:1:22: cameras.a.url: has a login that username or password set, too; expected only one")]
    [InlineData("cameras: { a: { url: 'http://u:pw@h/x', password: v } }",
        "config.yaml:1:22: cameras.a.url: has a login that username or password set, too; expected only one")]
    [InlineData("cameras: { a: { device: Models } }",
        "config.yaml:1:25: cameras.a.device: the device 'Models' is a folder")]
    [InlineData("cameras: { a: { url: { 'rtsp://u:pw@h/x': 1 } } }",
        "config.yaml:1:22: cameras.a.url: found a section, expected a single value")]
    [InlineData("cameras: [rtsp://u:pw@h/x]", "config.yaml:1:10: cameras: found a list, expected a section with keys")]
    [InlineData("cameras: { a: 'rtsp://u:pw@h/x' }",
        "config.yaml:1:15: cameras.a: found 'rtsp://u:***@h/x', expected a section with keys")]
    public void Load_WrongCamera_NamesItAndNoPassword(string yaml, string expected)
    {
        var errors = _folder.Errors(yaml);
        Assert.Contains(expected, errors);
        Assert.DoesNotContain("pw@", string.Join('\n', errors), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NameInTheUrlAndPasswordApart_IsNoMistake() => Assert.Empty(
        _folder.Errors("cameras: { a: { url: 'rtsp://u@h/x', password: p }, b: { url: 'srt://u@h:1', password: p } }"));

    [Fact]
    public void Load_ResultsIntoAnIncludedFile_IsAMistake()
    {
        _folder.Write("more.yaml", "node: { id: x }");
        File.CreateSymbolicLink(Path.Combine(_folder.Root, "results"), Path.Combine(_folder.Root, "more.yaml"));
        Assert.Equal(
            [
                "config.yaml:3:30: sinks.json_lines.path: the file 'results' is read by this configuration; expected "
                    + "another one for the results",
            ],
            _folder.Errors(ConfigFolder.Cameras + "include: [more.yaml]\nsinks: { json_lines: { path: results } }"));
    }

    [Fact]
    public void Load_SeveralMistakes_ReportsAllInTheOrderOfTheFile()
    {
        var errors =
            _folder.Errors("verison: 1\ncameras:\n  a: { file: a.mp4, loop: maybe }\nlogging: { format: xml }\n");
        Assert.Equal(["config.yaml:1:1", "config.yaml:3:27", "config.yaml:4:20"],
            errors.Select(e => e[..e.IndexOf(": ", StringComparison.Ordinal)]));
    }

    [Fact]
    public void Load_MistakeInDefaults_IsToldOnceForAllCameras()
    {
        var errors =
            _folder.Errors("defaults: { queue: { capacity: 0 } }\ncameras: { a: { file: a.mp4 }, b: { file: a.mp4 } }");
        Assert.Equal(["config.yaml:1:32: defaults.queue.capacity: found 0, expected 1 to 64"], errors);
    }

    [Fact]
    public void Load_ModelWithoutRefiner_WantsModeOnline()
    {
        TinyDvis.Write(Path.Combine(_folder.Root, "Models/default"), TinyDvis.LeaveRefinerAway);
        Assert.Equal(["config.yaml:2:16: model.mode: found 'semi-online', expected online: this model has no refiner"],
            _folder.Errors(ConfigFolder.Cameras + "model: { mode: semi-online }"));
        Assert.Empty(_folder.Errors(ConfigFolder.Cameras + "model: { mode: online }"));
        Assert.Empty(_folder.Errors(ConfigFolder.Cameras));
    }

    [Fact]
    public void Load_Folder_IsNamedAsOne()
    {
        var e = Assert.Throws<ConfigException>(() => new ConfigLoader(_folder.Environment, []).Load(_folder.Root));
        Assert.Equal($"{_folder.Root}: cannot be read: it is a folder", Assert.Single(e.Errors).ToString());
    }

    /// <summary>Old editors of Windows write another encoding; guessed, it would be another password.</summary>
    [Fact]
    public void Load_FilesThatAreNotUtf8_AreNamedWithTheLine()
    {
        File.WriteAllText(Path.Combine(_folder.Root, "other.yaml"), "node:\n  id: \u00E4\n", Encoding.Latin1);
        File.WriteAllText(Path.Combine(_folder.Root, "secret"), "p\u00E4ss", Encoding.Latin1);
        File.WriteAllText(Path.Combine(_folder.Root, "wide"), "p\u00E4ss", Encoding.Unicode);
        Assert.Equal(
            [
                "config.yaml:2:37: mqtt.password_file: the file 'secret' cannot be read: line 1 is not UTF-8",
                "other.yaml: cannot be read: line 2 is not UTF-8",
            ],
            _folder.Errors("include: [other.yaml]\nmqtt: { username: u, password_file: secret }\n"
                + ConfigFolder.Cameras));
        Assert.Equal("p\u00E4ss", _folder.Load("mqtt: { username: u, password: '${file:wide}' }\n"
            + ConfigFolder.Cameras).Options.Mqtt.Password);
    }

    [Fact]
    public void Load_BillionLaughs_IsRefused()
    {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" +
            string.Concat(Enumerable.Range(1, 12)
                .Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n"));
        Assert.Equal(["config.yaml:5:5: not valid YAML: expands to more than 50000 values"], _folder.Errors(yaml));
    }

    [Fact]
    public void Load_DeepNesting_IsRefused() =>
        Assert.Equal(["config.yaml:1:36: not valid YAML: nested deeper than 32 levels"],
            _folder.Errors("a: " + new string('[', 1000)));

    [Fact]
    public void Load_HugeFile_IsRefused() =>
        Assert.Equal(["config.yaml: found 1048577 characters, expected at most 1048576"],
            _folder.Errors(new string('#', (1 << 20) + 1)));

    [Fact]
    public void Load_NoFile_SaysSo()
    {
        var missing = Path.Combine(_folder.Root, "no.yaml");
        var e = Assert.Throws<Streaming.Hosting.Configuration.ConfigException>(() =>
            new Streaming.Hosting.Configuration.ConfigLoader(_folder.Environment, []).Load(missing));
        Assert.Contains($"{missing}: cannot be read", e.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
