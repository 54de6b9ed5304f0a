using System.Globalization;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Clips with known damage: every frame that decodes is delivered, and faults are typed.</summary>
public sealed class TortureTests(ITestOutputHelper output)
{
    // What is expected beyond the frame count, where it is not the quiet end of a sound file.
    private static readonly Dictionary<string, SourceFault> s_faults = new()
    {
        ["06_truncated_no_moov.mp4"] = SourceFault.DecodeErrors,
        ["07_truncated_mid_mdat.mp4"] = SourceFault.DecodeErrors,
        ["08_bitflips_h264.ts"] = SourceFault.DecodeErrors,
        ["09_audio_only.mp4"] = SourceFault.CodecUnsupported,
        ["14_join_mid_gop.ts"] = SourceFault.DecodeErrors,
    };

    [Fact(Timeout = 600_000)]
    public async Task ReadAsync_EveryTortureFile_YieldsWhatDecodesAndSaysHowItEnded()
    {
        var folder = Shared.Path("data/torture");
        using var expected = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "EXPECTED.json")));
        output.WriteLine("| file | expected | got | end |\n|---|---|---|---|");
        foreach (var file in expected.RootElement.GetProperty("files").EnumerateObject())
        {
            await using var rig = new SourceRig();
            var frames = await rig.ReadAsync(new SourceOptions { File = Path.Combine(folder, file.Name) });

            var count = file.Value.GetProperty("decoded_frames").GetInt32();
            var sizes = string.Join(", ", frames.GroupBy(f => (f.Session, f.Width, f.Height))
                .Select(g => $"{g.Count()} of {g.Key.Width}x{g.Key.Height}"));
            output.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"| {file.Name} | {count} | {(frames.Count > 0 ? sizes : "0")} | "
                    + $"{EnumName.Of(rig.Last.Reason)} {rig.Last.Detail} |"));
            Assert.Equal(count, frames.Count);
            Assert.Equal(Enumerable.Range(0, count).Select(i => (long)i), frames.Select(f => f.FrameId));
            Assert.All(frames.Zip(frames.Skip(1)), pair =>
                Assert.True(pair.First.Pts < pair.Second.Pts, $"{file.Name}: {pair}"));
            Assert.Equal(CameraState.Offline, rig.Last.State);
            Assert.Equal(s_faults.GetValueOrDefault(file.Name, SourceFault.Eof), rig.Last.Reason);
        }
    }

    [Theory(Timeout = 120_000)]
    [InlineData("02_vfr.mp4", 0, 0.12)]
    [InlineData("12b_huge_timestamps.mkv", 200_000_000, 200_000_000.04)]
    public async Task ReadAsync_OddTimestamps_AreTheContainers(string name, double first, double second)
    {
        await using var rig = new SourceRig();
        var frames = await rig.ReadAsync(new SourceOptions { File = Shared.Path("data/torture/" + name) }, most: 2);

        Assert.Equal([first, second], frames.Select(f => f.Timebase.ToSeconds(f.Pts)), (a, b) =>
            Math.Abs(a - b) < 1e-6);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_PictureSizeChanges_BeginsANewSessionOfThatSize()
    {
        await using var rig = new SourceRig();
        var frames = await rig.ReadAsync(
            new SourceOptions { File = Shared.Path("data/torture/15_resolution_change_midstream.ts") });

        Assert.Equal([(0, 640, 360, 52), (1, 320, 240, 150)],
            frames.GroupBy(f => (f.Session, f.Width, f.Height))
            .Select(g => (g.Key.Session, g.Key.Width, g.Key.Height, g.Count())));
    }
}
