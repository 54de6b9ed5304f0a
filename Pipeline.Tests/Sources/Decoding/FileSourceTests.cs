using System.Security.Cryptography;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Video files through both decoders.</summary>
public sealed class FileSourceTests : IDisposable
{
    private const DecodeBackend Ffmpeg = DecodeBackend.Ffmpeg, Opencv = DecodeBackend.Opencv;
    private readonly Clips _clips = new();

    public void Dispose() => _clips.Dispose();

    [Theory(Timeout = 120_000)]
    [InlineData(Ffmpeg, "64x48")]
    [InlineData(Ffmpeg, "33x21")]
    [InlineData(Ffmpeg, "1x1")]
    [InlineData(Opencv, "64x48", "-pix_fmt", "bgr0")]
    [InlineData(Opencv, "33x21", "-pix_fmt", "bgr0")]
    [InlineData(Opencv, "1x1", "-pix_fmt", "bgr0")]
    public async Task ReadAsync_LosslessFile_GivesEveryPixelAsFfmpegDecodesIt(
        DecodeBackend backend, string size, params string[] format)
    {
        var path = await _clips.MakeAsync("a.mkv", size, arguments: format);
        await Clips.RunAsync("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", _clips.Path("a.rgb"));
        await using var rig = new SourceRig(backend: backend);
        var pixels = new List<byte>();

        var frames =
            await rig.ReadAsync(new SourceOptions { File = path }, look: frame => pixels.AddRange(frame.Pixels));

        Assert.Equal(20, frames.Count);
        Assert.Equal(SHA256.HashData(await File.ReadAllBytesAsync(_clips.Path("a.rgb"))),
            SHA256.HashData(pixels.ToArray()));
        Assert.Equal((CameraState.Offline, SourceFault.Eof), (rig.Last.State, rig.Last.Reason));
        Assert.Equal("ffv1", rig.Last.Codec);
        Assert.InRange(rig.Pool.Allocations, 1, 2); // the same memory again and again
    }

    [Theory(Timeout = 120_000), InlineData(Ffmpeg), InlineData(Opencv)]
    public async Task ReadAsync_VariableRate_KeepsTheTimestamps(DecodeBackend backend)
    {
        var path = await _clips.MakeAsync("vfr.mkv",
            arguments: ["-vf", @"select=not(mod(n\,7))+not(mod(n\,5))", "-fps_mode", "vfr"]);
        await using var rig = new SourceRig(backend: backend);

        var frames = await rig.ReadAsync(new SourceOptions { File = path });

        var expected = Enumerable.Range(0, 1000).Where(n => n % 7 == 0 || n % 5 == 0).Take(20)
            .Select(n => Math.Round(n / 25.0, 3));
        Assert.Equal(expected, frames.Select(f => Math.Round(f.Timebase.ToSeconds(f.Pts), 3)));
    }

    /// <summary>The decoder is done with all sizes, and its log has them, before the first frame is read. Sizes of the
    /// same number of pixels, with another between them, stay different.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SizesChangeFasterThanTheyAreRead_GivesEveryFrameInItsShape()
    {
        (int Width, int Height)[] sizes = [.. Enumerable.Range(9, 12).Select(i => (2 * i, 8)), (16, 32)];
        (int Width, int Height)[] expected = [.. sizes, (64, 4), (32, 16), .. sizes];
        var path = _clips.Path("sizes.mjpeg");
        foreach (var (width, height) in expected.Distinct())
            await _clips.MakeAsync($"{width}x{height}.jpg", $"{width}x{height}", "1", "-c:v", "mjpeg");
        await using (var whole = File.Create(path))
            foreach (var (width, height) in expected)
                await whole.WriteAsync(await File.ReadAllBytesAsync(_clips.Path($"{width}x{height}.jpg")));
        using var pool = new FramePool();
        await using var session = await FfmpegSession.StartAsync(
            "ffmpeg", FfmpegCommand.ForFile(path), new Redactor(), "cam", pool, TimeProvider.System);
        await session.EndAsync(); // all frames fit into the pipe

        var found = new List<(int, int)>();
        while (await session.ReadAsync(default) is { } frame)
            using (frame.Frame) found.Add((frame.Frame.Width, frame.Frame.Height));

        Assert.Equal(expected, found);
    }

    [Theory(Timeout = 120_000), InlineData(Ffmpeg), InlineData(Opencv)]
    public async Task ReadAsync_Looped_EachPassIsASessionAndIdsGoOn(DecodeBackend backend)
    {
        var path = await _clips.MakeAsync("loop.mkv", frames: "3");
        await using var rig = new SourceRig(backend: backend);

        var frames = await rig.ReadAsync(new SourceOptions { File = path, Loop = true }, most: 7);

        Assert.Equal([(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2)],
            frames.Select(f => ((int)f.FrameId, f.Session)));
        Assert.Equal(frames[0].Pts, frames[3].Pts);
        Assert.DoesNotContain(rig.Statuses, s => s.State == CameraState.Offline);
    }

    [Theory(Timeout = 120_000), InlineData(Ffmpeg), InlineData(Opencv)]
    public async Task ReadAsync_DatedFile_StampsFramesWithDatePlusMediaTime(DecodeBackend backend)
    {
        var path = await _clips.MakeAsync("dated.mkv", frames: "2");
        File.SetLastWriteTimeUtc(path, Some.Now.UtcDateTime);
        await using var rig = new SourceRig(backend: backend);

        var frames = await rig.ReadAsync(new SourceOptions { File = path });

        Assert.Equal([Some.Now, Some.Now.AddMilliseconds(40)], frames.Select(f => f.Capture.Stamp));
        Assert.All(frames, f =>
            Assert.Equal((ClockSource.FileMtime, false, null),
                (f.Capture.Source, f.Capture.Synced, f.Capture.ErrorMs)));
    }

    [Theory(Timeout = 120_000), InlineData(Ffmpeg), InlineData(Opencv)]
    public async Task ReadAsync_Realtime_ComesNoFasterThanItsTimestamps(DecodeBackend backend)
    {
        var path = await _clips.MakeAsync("rt.mkv", frames: "3");
        var time = new ManualTime();
        await using var rig = new SourceRig(time, backend);
        var reading = rig.ReadAsync(new SourceOptions { File = path, Realtime = true });

        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            return reading.IsCompleted;
        });

        var stamps = (await reading).Select(f => f.Capture.Stamp).ToList();
        Assert.Equal([TimeSpan.Zero, TimeSpan.FromMilliseconds(40), TimeSpan.FromMilliseconds(80)],
            stamps.Select(s => s - stamps[0]));
        Assert.All(await reading, f => Assert.Equal(ClockSource.FilePts, f.Capture.Source));
        Assert.All((await reading).Zip((await reading).Skip(1)), pair =>
            Assert.InRange(ManualTime.Ticks(TimeSpan.FromMilliseconds(39)), 0,
                pair.Second.ReceivedTicks - pair.First.ReceivedTicks));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CutShort_GivesWhatIsThereAndSaysSo()
    {
        var path = await _clips.MakeAsync("whole.mkv", "640x480", arguments: ["-c:v", "mjpeg"]);
        var bytes = await File.ReadAllBytesAsync(path);
        await File.WriteAllBytesAsync(_clips.Path("cut.mkv"), bytes[..(bytes.Length * 2 / 3)]);
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions { File = _clips.Path("cut.mkv") });

        Assert.InRange(frames.Count, 10, 15);
        Assert.Equal((CameraState.Offline, SourceFault.DecodeErrors), (rig.Last.State, rig.Last.Reason));
    }

    public static TheoryData<DecodeBackend, string, SourceFault> WithoutVideo { get; } =
        [.. from backend in new[] { Ffmpeg, Opencv }
            from file in new (string Name, SourceFault Fault)[]
            {
                ("missing.mp4", SourceFault.NotFound),
                ("folder", SourceFault.Config),
                ("empty.mp4", SourceFault.DecodeErrors),
                ("garbage.mp4", SourceFault.DecodeErrors),
                ("text.txt", SourceFault.DecodeErrors),
                ("-i.mkv", SourceFault.NotFound),
                ("concat:a|b", SourceFault.NotFound),
            }
            select (backend, file.Name, file.Fault)];

    [Theory(Timeout = 120_000), MemberData(nameof(WithoutVideo))]
    public async Task ReadAsync_NoVideoInIt_EndsWithATypedFault(
        DecodeBackend backend, string name, SourceFault expected)
    {
        Directory.CreateDirectory(_clips.Path("folder"));
        await File.WriteAllBytesAsync(_clips.Path("empty.mp4"), []);
        await File.WriteAllTextAsync(_clips.Path("text.txt"), "no video at all");
        var garbage = new byte[100_000];
        Lcg.Fill(garbage);
        await File.WriteAllBytesAsync(_clips.Path("garbage.mp4"), garbage);
        await Clips.RunAsync("-version");
        await using var rig = new SourceRig(backend: backend);

        var frames = await rig.ReadAsync(new SourceOptions { File = _clips.Path(name) });

        Assert.Empty(frames);
        Assert.Equal((CameraState.Offline, expected, null),
            (rig.Last.State, rig.Last.Reason, rig.Last.NextRetrySeconds));
        Assert.False(string.IsNullOrEmpty(rig.Last.Detail));
    }

    /// <summary>A cover is no video: music with one has none, and a video with one before it is shown itself.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("song.mp3", "mjpeg")]
    [InlineData("song.m4a", "png")]
    [InlineData("song.flac", "png")]
    public async Task ReadAsync_SoundWithACover_IsCodecUnsupported(string name, string codec)
    {
        using var clips = new Clips();
        var path = clips.Path(name);
        await Clips.RunAsync("-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i",
            "testsrc=size=64x48:rate=1:duration=1", "-map", "0", "-map", "1", "-c:v", codec,
            "-disposition:v", "attached_pic", path);
        await using var rig = new SourceRig();

        Assert.Equal(SourceFault.CodecUnsupported, (await rig.FaultAsync(new SourceOptions { File = path })).Fault);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_VideoBehindACover_IsTheVideo()
    {
        using var clips = new Clips();
        var path = clips.Path("film.mp4");
        await Clips.RunAsync("-f", "lavfi", "-i", "testsrc=size=32x32:rate=1:duration=1", "-f", "lavfi", "-i",
            "testsrc=size=64x48:rate=25:duration=1", "-map", "0", "-map", "1", "-c:v:0",
            "png", "-c:v:1", "mpeg4", "-disposition:v:0", "attached_pic", path);
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions { File = path });

        Assert.Equal((25, 64, 48), (frames.Count, frames[0].Width, frames[0].Height));
        Assert.Equal("mpeg4", rig.Last.Codec);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SoundOnly_IsCodecUnsupported()
    {
        await Clips.RunAsync("-f", "lavfi", "-i", "sine=duration=1", _clips.Path("a.wav"));
        await using var rig = new SourceRig();

        Assert.Empty(await rig.ReadAsync(new SourceOptions { File = _clips.Path("a.wav") }));

        Assert.Equal(SourceFault.CodecUnsupported, rig.Last.Reason);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_PlaylistThatPointsToTheNetwork_OpensNothing()
    {
        await File.WriteAllTextAsync(_clips.Path("evil.m3u8"),
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n");
        await Clips.RunAsync("-version");
        await using var rig = new SourceRig();

        Assert.Empty(await rig.ReadAsync(new SourceOptions { File = _clips.Path("evil.m3u8") }));

        Assert.Equal(CameraState.Offline, rig.Last.State);
        Assert.DoesNotContain("refused", rig.Last.Detail, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The script names a video that is there and would be read, if scripts were.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("evil.ffconcat", "ffconcat version 1.0\nfile 'a.mkv'\n")]
    [InlineData("evil.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mkv\n#EXT-X-ENDLIST\n")]
    public async Task ReadAsync_ScriptByOpenCv_OpensNothing(string name, string script)
    {
        await _clips.MakeAsync("a.mkv");
        await File.WriteAllTextAsync(_clips.Path(name), script);
        await using var rig = new SourceRig(backend: Opencv);

        Assert.Empty(await rig.ReadAsync(new SourceOptions { File = _clips.Path(name) }));
        Assert.Equal(SourceFault.Config, rig.Last.Reason);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_BuiltWithoutOpenCv_IsAConfigurationFault()
    {
        await using var rig = new SourceRig();
        var options = new SourceOptions { File = await _clips.MakeAsync("p.mkv"), Decode = { Backend = Opencv } };

        var fault = await rig.FaultAsync(options);

        Assert.Equal(SourceFault.Config, fault.Fault);
        Assert.Contains("built without OpenCV", fault.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_NoDecoder_IsAConfigurationFault()
    {
        await using var rig = new SourceRig();
        await File.WriteAllTextAsync(_clips.Path("a.mp4"), "x");

        Assert.Empty(
            await rig.ReadAsync(new SourceOptions
            {
                File = _clips.Path("a.mp4"),
                Decode = { Ffmpeg = "no-such-decoder" },
            }));

        Assert.Equal(SourceFault.Config, rig.Last.Reason);
        Assert.Contains("no-such-decoder", rig.Last.Detail, StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_StoppedInTheMiddle_EndsAtOnceAndReturnsEverything()
    {
        var path = await _clips.MakeAsync("long.mkv", "640x480", "200");
        await using var rig = new SourceRig();
        using var stop = new CancellationTokenSource();
        var count = 0;

        await foreach (var frame in rig.Create(new SourceOptions { File = path }).ReadAsync(stop.Token))
        {
            frame.Dispose();
            if (++count == 5) await stop.CancelAsync();
        }

        Assert.Equal(5, count);
        Assert.Equal((CameraState.Offline, SourceFault.Ok), (rig.Last.State, rig.Last.Reason));
    }

    [Theory(Timeout = 120_000), InlineData(Ffmpeg), InlineData(Opencv)]
    public async Task ProbeAsync_File_ReportsWhatItIs(DecodeBackend backend)
    {
        await using var rig = new SourceRig(backend: backend);
        var options = new SourceOptions { File = await _clips.MakeAsync("p.mkv"), Decode = { Backend = backend } };
        var report = await SourceProbe.ProbeAsync(options, TimeProvider.System, default, rig.OpenCv);

        Assert.Equal((SourceFault.Ok, "ffv1", 64, 48, 25.0),
            (report.Fault, report.Codec, report.Width, report.Height, report.Fps));
        Assert.True(report.FirstFrame > TimeSpan.Zero);
        Assert.True(report.Timebase.Denominator > 0);
    }

    [Fact(Timeout = 120_000)]
    public async Task ProbeAsync_MissingFile_ReportsTheFault()
        => Assert.Equal(SourceFault.NotFound,
            (await SourceProbe.ProbeAsync(new SourceOptions { File = _clips.Path("none") }, TimeProvider.System,
                default)).Fault);
}
