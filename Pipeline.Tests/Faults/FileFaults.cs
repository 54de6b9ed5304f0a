using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>Files instead of cameras.</summary>
internal static class FileFaults
{
    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("file-truncated", "a file that ends in the middle of a picture",
            "what decodes is tracked, in order; offline (decode_errors), for good", run =>
            FileAsync(run, "cut.mkv", async (clips, path) =>
        {
            var whole = await File.ReadAllBytesAsync(await clips.MakeAsync("whole.mkv", frames: "50"));
            await File.WriteAllBytesAsync(path, whole[..(whole.Length * 2 / 3)]);
        }, "decode_errors|eof", frames: true)),
        new("file-garbage", "a file of random bytes", "offline with a reason, for good; the service goes on", run =>
            FileAsync(run, "noise.mp4", (_, path) =>
        {
            var noise = new byte[100_000];
            new Random(1).NextBytes(noise);
            return File.WriteAllBytesAsync(path, noise);
        }, "decode_errors")),
        new("file-empty", "a file of no bytes", "offline with a reason, for good; the service goes on", run =>
            FileAsync(run, "empty.mp4", (_, path) => File.WriteAllBytesAsync(path, []), "decode_errors")),
        new("file-without-video", "a file with sound only", "offline (codec_unsupported), for good", run =>
            FileAsync(run, "sound.wav", (_, path) =>
            Clips.RunAsync("-f", "lavfi", "-i", "sine=duration=1", path), "codec_unsupported")),
        new("file-vanishes", "a looped file is deleted while it plays",
            "it ends (not_found or eof), the service goes on", VanishesAsync),
        new("file-33-bit-clock-wraps", "an MPEG-TS file whose 33-bit timestamps wrap after half a second",
            "every picture once, timestamps rise throughout, one epoch", WrapsAsync),
    ];

    private static async Task FileAsync(FaultRun run, string name, Func<Clips, string, Task> make, string reasons,
        bool frames = false)
    {
        using var clips = new Clips();
        await make(clips, clips.Path(name));
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync($"a: {{ file: '{clips.Path(name)}' }}");
        await Eventually.TrueAsync(() =>
            run.Since("a/state").Any(m =>
                reasons.Split('|').Any(r => m.Text.Contains($"\"state\":\"offline\",", StringComparison.Ordinal)
                    && m.Text.Contains($"\"reason\":\"{r}\"", StringComparison.Ordinal))), reasons);
        if (frames) await Eventually.TrueAsync(() => run.Heard.On("a/tracks/final").Count > 0, "finals");
        else Assert.Empty(run.Heard.On("a/tracks"));
        await run.FramesAsync("ok");
    }

    private static async Task VanishesAsync(FaultRun run)
    {
        using var clips = new Clips();
        var path = await clips.MakeAsync("loop.mkv", frames: "20");
        await run.StartAsync($"a: {{ file: '{path}', loop: true, realtime: true }}");
        await run.FramesAsync("a");
        run.Now();
        File.Delete(path);
        await run.StateAsync("offline");
        await run.FramesAsync("ok");
    }

    private static async Task WrapsAsync(FaultRun run)
    {
        using var clips = new Clips();
        var path = clips.Path("wrap.ts");
        // 2^33 / 90000 = 95443.72 s
        await Clips.RunAsync("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25", "-frames:v", "50", "-c:v", "mpeg2video",
            "-output_ts_offset", "95443.2", path);
        await run.StartBrokerAsync();
        run.Now();
        await run.StartAsync($"a: {{ file: '{path}', realtime: true }}");
        await run.StateAsync("offline", "eof");
        await Eventually.TrueAsync(() => run.Since("a/tracks").Count() >= 50, "all of it");
        Assert.Equal(1, run.Epochs("a"));
        run.Note("50 of 50 pictures");
    }
}
