using System.Security.Cryptography;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

public sealed class OpenCvFileTests : IDisposable
{
    private readonly Clips _clips = new();

    public void Dispose() => _clips.Dispose();

    [Theory(Timeout = 120_000)]
    [InlineData("64x48")]
    [InlineData("33x21")]
    [InlineData("1x1")]
    public async Task ReadAsync_LosslessFile_GivesEveryPixelAsFfmpegDecodesIt(string size)
    {
        var path = await _clips.MakeAsync("a.mkv", size, arguments: ["-pix_fmt", "bgr0"]);
        await Clips.RunAsync("-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", _clips.Path("a.rgb"));
        await using var opencv = new OpenCvRig();
        var pixels = new List<byte>();

        var frames =
            await opencv.ReadAsync(new SourceOptions { File = path }, look: frame => pixels.AddRange(frame.Pixels));

        Assert.Equal(20, frames.Count);
        Assert.Equal(SHA256.HashData(await File.ReadAllBytesAsync(_clips.Path("a.rgb"))),
            SHA256.HashData(pixels.ToArray()));
        Assert.Equal((CameraState.Offline, SourceFault.Eof, "ffv1"),
            (opencv.Rig.Last.State, opencv.Rig.Last.Reason, opencv.Rig.Last.Codec));
        Assert.InRange(opencv.Rig.Pool.Allocations, 1, 2); // the same memory again and again
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_VariableRate_KeepsTheTimestamps()
    {
        var path = await _clips.MakeAsync("vfr.mkv",
            arguments: ["-vf", @"select=not(mod(n\,7))+not(mod(n\,5))", "-fps_mode", "vfr"]);
        await using var opencv = new OpenCvRig();

        var frames = await opencv.ReadAsync(new SourceOptions { File = path });

        var expected = Enumerable.Range(0, 1000).Where(n => n % 7 == 0 || n % 5 == 0).Take(20)
            .Select(n => Math.Round(n / 25.0, 3));
        Assert.Equal(expected, frames.Select(f => Math.Round(f.Timebase.ToSeconds(f.Pts), 3)));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_Looped_EachPassIsASessionAndIdsGoOn()
    {
        var path = await _clips.MakeAsync("loop.mkv", frames: "3");
        await using var opencv = new OpenCvRig();

        var frames = await opencv.ReadAsync(new SourceOptions { File = path, Loop = true }, most: 7);

        Assert.Equal([(0, 0), (1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2)],
            frames.Select(f => ((int)f.FrameId, f.Session)));
        Assert.Equal(frames[0].Pts, frames[3].Pts);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_DatedFile_StampsFramesWithDatePlusMediaTime()
    {
        var path = await _clips.MakeAsync("dated.mkv", frames: "2");
        File.SetLastWriteTimeUtc(path, Some.Now.UtcDateTime);
        await using var opencv = new OpenCvRig();

        var frames = await opencv.ReadAsync(new SourceOptions { File = path });

        Assert.Equal([Some.Now, Some.Now.AddMilliseconds(40)], frames.Select(f => f.Capture.Stamp));
        Assert.All(frames, f => Assert.Equal(ClockSource.FileMtime, f.Capture.Source));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("missing.mp4", SourceFault.NotFound)]
    [InlineData("folder", SourceFault.Config)]
    [InlineData("empty.mp4", SourceFault.DecodeErrors)]
    [InlineData("garbage.mp4", SourceFault.DecodeErrors)]
    [InlineData("text.txt", SourceFault.DecodeErrors)]
    public async Task ReadAsync_NoVideoInIt_EndsWithATypedFault(string name, SourceFault expected)
    {
        Directory.CreateDirectory(_clips.Path("folder"));
        await File.WriteAllBytesAsync(_clips.Path("empty.mp4"), []);
        await File.WriteAllTextAsync(_clips.Path("text.txt"), "no video at all");
        var garbage = new byte[100_000];
        Lcg.Fill(garbage);
        await File.WriteAllBytesAsync(_clips.Path("garbage.mp4"), garbage);
        await using var opencv = new OpenCvRig();

        var frames = await opencv.ReadAsync(new SourceOptions { File = _clips.Path(name) });

        Assert.Empty(frames);
        var last = opencv.Rig.Last;
        Assert.Equal((CameraState.Offline, expected, null), (last.State, last.Reason, last.NextRetrySeconds));
        Assert.False(string.IsNullOrEmpty(last.Detail));
    }

    /// <summary>The script names a video that is there and would be read, if scripts were.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("evil.ffconcat", "ffconcat version 1.0\nfile 'a.mkv'\n")]
    [InlineData("evil.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mkv\n#EXT-X-ENDLIST\n")]
    public async Task ReadAsync_ScriptThatNamesAnotherFile_OpensNothing(string name, string script)
    {
        await _clips.MakeAsync("a.mkv");
        await File.WriteAllTextAsync(_clips.Path(name), script);
        await using var opencv = new OpenCvRig();

        Assert.Empty(await opencv.ReadAsync(new SourceOptions { File = _clips.Path(name) }));
        Assert.Equal(SourceFault.Config, opencv.Rig.Last.Reason);
    }

    [Fact(Timeout = 120_000)]
    public async Task ProbeAsync_File_ReportsWhatItIs()
    {
        OpenCvRig.Require();
        var file = await _clips.MakeAsync("p.mkv");
        var options = new SourceOptions { File = file, Decode = { Backend = DecodeBackend.Opencv } };
        var decoder = new Dvis.Streaming.Sources.OpenCv.OpenCvDecoder();
        var report = await SourceProbe.ProbeAsync(options, TimeProvider.System, default, decoder);

        Assert.Equal((SourceFault.Ok, "ffv1", 64, 48, 25.0),
            (report.Fault, report.Codec, report.Width, report.Height, report.Fps));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_BuiltWithout_IsAConfigurationFault()
    {
        await using var rig = new SourceRig();
        var file = await _clips.MakeAsync("p.mkv");
        var options = new SourceOptions { File = file, Decode = { Backend = DecodeBackend.Opencv } };

        Assert.Empty(await SourceRig.ReadAsync(rig.Create(options)));

        Assert.Equal(SourceFault.Config, rig.Last.Reason);
        Assert.Contains("built without OpenCV", rig.Last.Detail, StringComparison.Ordinal);
    }
}
