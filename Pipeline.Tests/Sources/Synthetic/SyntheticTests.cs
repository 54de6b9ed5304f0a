using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;
using Dvis.Streaming.Sources.Synthetic;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Synthetic;

public sealed class SyntheticTests
{
    [Theory]
    [InlineData(112, 16, 0)]
    [InlineData(512, 320, 0xAAAAAA)]
    [InlineData(1920, 1080, 0xFFFFFF)]
    [InlineData(333, 201, 12345)]
    public void FrameStrip_Written_ReadsBack(int width, int height, int number)
    {
        var rgb = new byte[width * height * 3];
        Lcg.Fill(rgb);
        FrameStrip.Write(rgb, width, height, number);

        Assert.Equal(number, StripReader.Read(rgb, width, height));
    }

    [Fact]
    public void FrameStrip_FlippedBitOrNoStrip_ReadsNothing()
    {
        var rgb = new byte[512 * 320 * 3];
        Assert.Null(StripReader.Read(rgb, 512, 320));
        FrameStrip.Write(rgb, 512, 320, 77);
        var flipped = (byte)(255 - rgb[8 * 20 * 3]);
        for (var y = 0; y < 8; y++) rgb.AsSpan(((y * 512) + (8 * 20)) * 3, 8 * 3).Fill(flipped);

        Assert.Null(StripReader.Read(rgb, 512, 320));
    }

    [Fact(Timeout = 120_000)]
    public async Task FrameStrip_AfterLossyCompression_IsTheFramesNumber()
    {
        using var clips = new Clips();
        var options = new SyntheticOptions { Width = 256, Height = 160, Seed = 3, Frames = 12, Realtime = false };
        await using var rig = new SourceRig();
        await using (var raw = File.Create(clips.Path("a.rgb")))
            await rig.ReadAsync(new SourceOptions { Synthetic = options }, look: frame => raw.Write(frame.Pixels));
        await Clips.RunAsync("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "256x160", "-r", "25", "-i",
            clips.Path("a.rgb"), "-c:v", "mpeg4", "-b:v", "300k", clips.Path("a.avi"));

        var read = new List<int?>();
        await rig.ReadAsync(new SourceOptions { File = clips.Path("a.avi") }, look: frame =>
            read.Add(StripReader.Read(frame.Pixels, 256, 160)));

        Assert.Equal(Enumerable.Range(0, 12).Select(i => (int?)i), read);
    }

    [Fact]
    public async Task ReadAsync_NoCodec_LogHasTheSizeOnly()
    {
        await using var rig = new SourceRig();
        var options = new SourceOptions { Synthetic = new() { Width = 64, Height = 32, Frames = 2, Realtime = false } };

        await SourceRig.ReadAsync(
            rig.Supervise(SourceFactory.CreateRaw("cam", options, rig.Pool, rig.Time), options));

        Assert.Contains(rig.Logs.Entries, entry => entry.Text == "Camera cam: online, 64x32.");
    }

    [Theory]
    [InlineData(SceneTier.Light)]
    [InlineData(SceneTier.Everyday)]
    [InlineData(SceneTier.Heavy)]
    public void Render_SameOptions_SamePictures(SceneTier tier)
    {
        var options = new SyntheticOptions { Width = 200, Height = 120, Seed = 5, Tier = tier };
        byte[] a = new byte[200 * 120 * 3], b = new byte[a.Length], c = new byte[a.Length];
        var (scene, twin) = (new SyntheticScene(options), new SyntheticScene(options));
        scene.Render(100, c);
        scene.Render(7, a); // in any order
        twin.Render(7, b);

        Assert.Equal(a, b);
        Assert.NotEqual(a, c);
        options.Seed++;
        new SyntheticScene(options).Render(7, b);
        Assert.NotEqual(a, b);
    }

    /// <summary>A light scene has neither bars nor a moving camera: what changes strongly is where objects were or are.
    /// </summary>
    [Fact]
    public void Render_LightScene_ObjectsMoveAndTheBackgroundStands()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var scene = new SyntheticScene(new SyntheticOptions
            { Width = 256, Height = 160, Tier = SceneTier.Light, Strip = false, Seed = seed, Objects = 3 });
            byte[] a = new byte[256 * 160 * 3], b = new byte[a.Length];
            scene.Render(0, a);
            scene.Render(60, b);

            var changed = Enumerable.Range(0, 256 * 160).Count(i =>
                Enumerable.Range(i * 3, 3).Sum(value => Math.Abs(a[value] - b[value])) > 120);

            Assert.InRange(changed, 100, 256 * 160 / 2);
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_Lossless_EveryFrameOnceWithItsNumber()
    {
        await using var rig = new SourceRig();
        var numbers = new List<int?>();
        var source = rig.Create(new SourceOptions
        { Synthetic = new SyntheticOptions { Width = 256, Height = 160, Frames = 30, Realtime = false } });

        var frames = await SourceRig.ReadAsync(source, look: frame =>
            numbers.Add(StripReader.Read(frame.Pixels, frame.Width, frame.Height)));

        Assert.False(source.IsLive);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => (int?)i), numbers);
        Assert.Equal(frames.Select(f => (int?)f.FrameId), numbers);
        Assert.Equal(frames.Select(f => f.FrameId * 3600), frames.Select(f => f.Pts));
        Assert.All(frames, f => Assert.True(f.Capture is { Synced: true, Source: ClockSource.Synthetic }));
        Assert.Equal((CameraState.Offline, SourceFault.Eof), (rig.Last.State, rig.Last.Reason));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_LiveWithASlowReader_SkipsTheMomentsThatPassed()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var numbers = new List<int?>();
        var source = rig.Create(new SourceOptions
        { Synthetic = new SyntheticOptions { Width = 256, Height = 160, Fps = 10, Frames = 20 } });
        Assert.True(source.IsLive);

        var reading = SourceRig.ReadAsync(source, look: frame =>
        {
            numbers.Add(StripReader.Read(frame.Pixels, frame.Width, frame.Height));
            if (numbers.Count == 3) time.Advance(TimeSpan.FromSeconds(1)); // busy for ten frames
        });
        await Eventually.TrueAsync(() =>
        {
            if (!reading.IsCompleted) time.Advance(TimeSpan.FromMilliseconds(10));
            return reading.IsCompleted;
        });

        var frames = await reading;
        Assert.Equal(frames.Select(f => (int?)f.FrameId), numbers);
        Assert.Contains(frames.Zip(frames.Skip(1)), pair => pair.Second.FrameId - pair.First.FrameId >= 10);
        Assert.Equal(CameraState.Offline, rig.Last.State);
    }
}
