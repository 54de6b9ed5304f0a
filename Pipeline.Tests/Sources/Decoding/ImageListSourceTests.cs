using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

public sealed class ImageListSourceTests : IDisposable
{
    private readonly Clips _clips = new();
    private readonly FramePool _pool = new();

    public void Dispose()
    {
        Assert.Equal(0, _pool.Outstanding);
        _pool.Dispose();
        _clips.Dispose();
    }

    [Fact]
    public async Task ReadAsync_PngsWithAwkwardNames_GivesTheirPixelsInTheListsOrder()
    {
        var files = await PicturesAsync("it's a 'frame' %03d — ü.png", 5);
        files = [files[3], files[0], files[0], files[4]];
        var expected = new List<byte[]>();
        foreach (var file in files)
        {
            await Clips.RunAsync("-i", "file:" + file, "-f", "rawvideo", "-pix_fmt", "rgb24", _clips.Path("raw"));
            expected.Add(await File.ReadAllBytesAsync(_clips.Path("raw")));
        }

        var found = new List<byte[]>();
        var infos = await SourceRig.ReadAsync(Source(files), look: frame => found.Add(frame.Pixels.ToArray()));

        Assert.Equal([0, 1, 2, 3], infos.Select(i => (int)i.FrameId));
        Assert.All(infos, i => Assert.Equal((64, 48), (i.Width, i.Height)));
        Assert.Equal(expected, found);
    }

    [Fact]
    public async Task ReadAsync_Jpegs_GivesEachOnce()
    {
        var infos = await SourceRig.ReadAsync(Source(await PicturesAsync("%05d.jpg", 60)));

        Assert.Equal(60, infos.Count);
    }

    [Fact]
    public async Task ReadAsync_OneIsMissing_SaysWhich()
    {
        var files = await PicturesAsync("%d.png", 3);
        File.Delete(files[1]);

        var failure = await Assert.ThrowsAsync<SourceException>(() => SourceRig.ReadAsync(Source(files)));

        Assert.Equal($"a video: the image {files[1]} does not exist.", failure.Message);
    }

    [Fact]
    public async Task ReadAsync_OneIsNoPicture_FailsAfterThoseBefore()
    {
        var files = await PicturesAsync("%d.png", 3);
        await File.WriteAllTextAsync(files[1], "this is no picture");
        var seen = 0;

        var failure =
            await Assert.ThrowsAsync<SourceException>(() => SourceRig.ReadAsync(Source(files), look: _ => seen++));

        Assert.StartsWith("a video: ", failure.Message);
        Assert.InRange(seen, 1, 2);
    }

    [Fact]
    public async Task ReadAsync_AnotherSizeOnTheWay_IsAnotherSession()
    {
        string[] files = [.. await PicturesAsync("a%d.png", 2), .. await PicturesAsync("b%d.png", 2, "32x32")];

        var infos = await SourceRig.ReadAsync(Source(files));

        Assert.Equal([(64, 0), (64, 0), (32, 1), (32, 1)], infos.Select(i => (i.Width, i.Session)));
    }

    [Fact]
    public async Task ReadAsync_Stopped_Throws()
    {
        var files = await PicturesAsync("%d.png", 5);
        using var stop = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            SourceRig.ReadAsync(Source(files), look: _ => stop.Cancel(), stop: stop.Token));
    }

    private ImageListSource Source(IReadOnlyList<string> files) =>
        new ImageListSource("a video", files, "ffmpeg", _pool, TimeProvider.System);

    private async Task<string[]> PicturesAsync(string pattern, int count, string size = "64x48")
    {
        await Clips.RunAsync("-f", "lavfi", "-i", $"testsrc=size={size}:rate=25", "-frames:v", $"{count}",
            "-start_number", "0", _clips.Path(pattern));
        return [.. Enumerable.Range(0, count).Select(i =>
            _clips.Path(pattern.Replace("%03d", $"{i:000}").Replace("%05d", $"{i:00000}").Replace("%d", $"{i}")))];
    }
}
