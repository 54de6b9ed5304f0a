using System.Globalization;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

/// <summary>The clips of <see cref="Decoding.TortureTests"/> through OpenCV, with what OpenCV makes of them.</summary>
public sealed class OpenCvTortureTests(ITestOutputHelper output)
{
    /// <summary>File, what is delivered, reason: the table in <c>docs/torture.md</c>.</summary>
    public static TheoryData<string, string, SourceFault> Clips => new()
    {
        { "00_base_640x360_h264.mp4", "150 of 640x360", SourceFault.Eof },
        { "01_odd_321x241_yuv444.mp4", "150 of 321x241", SourceFault.Eof },
        { "02_vfr.mp4", "61 of 640x360", SourceFault.Eof },
        { "03_rotate90_meta.mp4", "150 of 360x640", SourceFault.Eof },
        { "04_hevc_main10.mp4", "150 of 640x360", SourceFault.Eof },
        { "05_interlaced_mpeg2_tff.ts", "73 of 720x576", SourceFault.Eof },
        { "06_truncated_no_moov.mp4", "0", SourceFault.DecodeErrors },
        { "07_truncated_mid_mdat.mp4", "62 of 640x360", SourceFault.DecodeErrors },
        { "08_bitflips_h264.ts", "146 of 640x360", SourceFault.DecodeErrors },
        { "09_audio_only.mp4", "0", SourceFault.DecodeErrors },
        { "10_mjpeg_fullrange.avi", "150 of 640x360", SourceFault.Eof },
        { "12_ts_pts_wrap33bit.ts", "150 of 640x360", SourceFault.Eof },
        { "12b_huge_timestamps.mkv", "150 of 640x360", SourceFault.Eof },
        { "13_editlist_negative_start.mp4", "117 of 640x360", SourceFault.Eof },
        { "14_join_mid_gop.ts", "128 of 640x360", SourceFault.DecodeErrors },
        { "15_resolution_change_midstream.ts", "202 of 640x360", SourceFault.Eof }, // scaled to the first size
        { "16_raw_annexb.h264", "150 of 640x360", SourceFault.Eof },
    };

    [Theory(Timeout = 600_000), MemberData(nameof(Clips))]
    public async Task ReadAsync_TortureFile_GivesWhatDecodesAndReportsHowItEnded(string file, string expected,
        SourceFault reason)
    {
        var path = Shared.Path("data/torture/" + file);
        await using var rig = new SourceRig(backend: DecodeBackend.Opencv);
        var frames = await rig.ReadAsync(new SourceOptions { File = path });

        var sizes = frames.Select(f => $"{frames.Count} of {f.Width}x{f.Height}").Distinct();
        var delivered = frames.Count > 0 ? string.Join(", ", sizes) : "0";
        var last = rig.Last;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {file} | {delivered} | {EnumName.Of(last.Reason)} | {last.Detail} |"));
        Assert.Equal(expected, delivered);
        Assert.Equal(Enumerable.Range(0, frames.Count).Select(i => (long)i), frames.Select(f => f.FrameId));
        Assert.All(frames.Zip(frames.Skip(1)), pair =>
            Assert.True(pair.First.Pts < pair.Second.Pts, $"{file}: {pair}"));
        Assert.Equal((CameraState.Offline, reason, null), (last.State, last.Reason, last.NextRetrySeconds));
    }

    [Theory(Timeout = 120_000)]
    [InlineData("02_vfr.mp4", 0, 0.12)]
    [InlineData("12b_huge_timestamps.mkv", 0, 0.04)] // from the beginning of the stream
    [InlineData("16_raw_annexb.h264", 0, 0.04)] // has none
    public async Task ReadAsync_OddTimestamps_CountFromTheBeginning(string name, double first, double second)
    {
        var path = Shared.Path("data/torture/" + name);
        await using var rig = new SourceRig(backend: DecodeBackend.Opencv);
        var frames = await rig.ReadAsync(new SourceOptions { File = path }, most: 2);

        Assert.Equal([first, second], frames.Select(f => f.Timebase.ToSeconds(f.Pts)), (a, b) =>
            Math.Abs(a - b) < 1e-6);
    }
}
