using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

/// <summary>Cameras whose key frames are far apart, through the real decoder.</summary>
public sealed class KeyFrameTests
{
    private const long Begin = 90_000;

    /// <summary>The first key frame and the frames after it come through, although the next one is 12 s away.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData("H264")]
    [InlineData("H265")]
    [InlineData("MP4V-ES")]
    [InlineData("VP8")]
    public async Task ReadAsync_KeyFrameEveryTwelveSeconds_FirstFramesAreKept(string codec)
    {
        await using var camera =
            new ScriptedCamera(await EncodedPictures.GopAsync(codec), viewer => viewer.PlayAsync(Begin));
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions
        {
            Url = camera.Url,
            Queue = { Policy = QueuePolicy.Wait },
        }, most: 50);

        Assert.Equal(Enumerable.Range(0, 50).Select(i => Begin + (i * 3600L)), frames.Select(f => f.Pts));
    }

    /// <summary>
    /// A viewer that comes in the middle: the session waits for the key frame as long as packets arrive, and ends when
    /// they cease.
    /// </summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_NoKeyFrameYet_WaitsWhilePacketsArrive()
    {
        var pictures = await EncodedPictures.GopAsync("H264");
        var late = pictures with { Pictures = [.. pictures.Pictures.Skip(1)] };
        var wait = TimeSpan.FromSeconds(2);
        var waited = new TaskCompletionSource();
        await using var camera = new ScriptedCamera(late, async viewer =>
        {
            if (viewer.Number > 0) await viewer.SilenceAsync();
            var last = await viewer.PlayUntilAsync(waited.Task, Begin);
            for (var i = 0; i < 150; i++) // 6 s; silence may last for 4 s
            {
                await viewer.SendAsync(last += 3600);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }

            await viewer.SendAsync(last += 3600, pictures with { Pictures = [pictures.Pictures[0]] });
            await viewer.PlayAsync(last + 3600, pictures: 100);
            await viewer.SilenceAsync();
        });
        await using var rig = new SourceRig();
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Create(new SourceOptions
        {
            Url = camera.Url,
            Rtsp =
            {
                ConnectTimeout = wait,
                StallTimeout = wait,
                Backoff = { Initial = TimeSpan.FromMinutes(5), Max = TimeSpan.FromMinutes(5) },
            },
        }), stop: stop.Token);

        await Eventually.TrueAsync(() => rig.Last is { State: CameraState.Starting, Detail: not null }, "waits");
        Assert.Equal((SourceFault.Ok, "packets arrive, no key frame yet"), (rig.Last.Reason, rig.Last.Detail));
        waited.SetResult();
        await Eventually.TrueAsync(() => rig.Last.State == CameraState.Offline, "offline");
        await stop.CancelAsync();

        Assert.NotEmpty(await reading);
        Assert.Equal(
            [CameraState.Starting, CameraState.Starting, CameraState.Online, CameraState.Offline],
            rig.Statuses.Take(2).Concat(rig.Statuses.Skip(2).DistinctBy(s => s.State)).Select(s => s.State).Take(4));
        Assert.Equal(SourceFault.Stalled, rig.Statuses.First(s => s.State == CameraState.Offline).Reason);
        Assert.Equal(1, camera.Plays);
    }

    /// <summary>The camera of the case as it is given.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_CaseLongGop_IsOnlineWithItsFirstKeyFrame()
    {
        await using var camera = await FieldCamera.StartAsync("01_long_gop/gop12s.h264");
        await using var rig = new SourceRig();

        var frames = await rig.ReadAsync(new SourceOptions
        {
            Url = camera.Url("/cam"),
            Queue = { Policy = QueuePolicy.Wait },
        }, most: 12);

        Assert.Equal(Begin, frames[0].Pts);
    }
}
