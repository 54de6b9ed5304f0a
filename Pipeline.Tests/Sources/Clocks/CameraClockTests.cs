using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Clocks;

/// <summary>
/// Cameras whose clocks misbehave, through the real decoder. Complaints answered: frames lost without a word where a
/// 32-bit clock wraps; the same frame processed twice; delay that grows because a backlog is worked off.
/// </summary>
public sealed class CameraClockTests
{
    private const long Step = 3600;        // 25 frames a second
    private const long Begin = 900_000_000;
    private const int LeadIn = 50;         // frames in which the decoder finds out what it gets
    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(40);

    [Theory(Timeout = 120_000)]
    [InlineData("duplicate", new long[] { 0, 1, 1, 2, 2, 2, 3 })]
    [InlineData("reversal", new long[] { 0, 1, 3, 2, 4, 5 })]
    [InlineData("back an hour", new long[] { 0, 1, 2, -90_000, -89_999, -89_998 })]
    [InlineData("back a second", new long[] { 0, 1, 2, -23, -22, -21 })]
    [InlineData("ahead an hour", new long[] { 0, 1, 2, 90_000, 90_001 })]
    public async Task CreateRaw_OddTimestamps_ComeThroughAsTheCameraSentThem(string what, long[] steps)
    {
        long[] sent = [.. Enumerable.Range(0, LeadIn).Select(i => Begin + (i * Step)),
            .. steps.Select(s => Begin + ((LeadIn + s) * Step))];
        var timestamps = await ReadRawAsync(sent);

        Assert.True(timestamps.Count > steps.Length, what);
        Assert.Equal(sent[^timestamps.Count..], timestamps);
    }

    [Fact(Timeout = 120_000)]
    public async Task Create_RtpClockWraps_TimeGoesOn()
    {
        var begin = (1L << 32) - ((LeadIn + 10) * Step);
        var frames = await ReadAsync([.. Enumerable.Range(0, LeadIn + 20).Select(i => begin + (i * Step))]);

        Assert.True(frames.Count > 20);
        Assert.All(frames.Zip(frames.Skip(1)), pair => Assert.Equal(Step, pair.Second.Pts - pair.First.Pts));
        Assert.All(frames, f => Assert.Equal(0, f.Session));
    }

    /// <summary>Frames have the times of the camera's reports, although they are late and its clock is wrong.</summary>
    [Theory(Timeout = 120_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CreateRaw_CameraWithReports_KnowsWhenPicturesWereTaken(bool asked)
    {
        const int Every = 10;
        var began = TimeProvider.System.GetUtcNow();
        await using var camera = new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            // Timestamps of a real clock, but frames that are sent late, each by another time.
            for (var i = 0; ; i++)
            {
                var now = TimeProvider.System.GetUtcNow();
                var timestamp = Begin + (long)((now - began).TotalSeconds * 90_000);
                if (i % Every == 0) await viewer.ReportAsync(now.AddDays(-1), timestamp);
                await Task.Delay(TimeSpan.FromMilliseconds(20 + (i % 3 * 10)), TimeProvider.System, viewer.Stop);
                await viewer.SendAsync(timestamp);
            }
        });
        await using var rig = new SourceRig();
        var options = Options(camera);
        if (!asked) options.Clock.Prefer = [CameraClock.Arrival];

        var frames = await rig.ReadAsync(options, most: LeadIn);

        if (!asked)
        {
            Assert.All(frames, f => Assert.Equal((ClockSource.Arrival, null), (f.Capture.Source, f.Capture.ErrorMs)));
            return;
        }

        // On a busy machine the first report may be slower than frames behind it, for which it is then not used.
        var known = frames.Where(f => f.Capture.Source == ClockSource.RtcpSr).ToList();
        Assert.NotEmpty(known);
        foreach (var frame in known)
        {
            var taken = began.AddSeconds((frame.Pts - Begin) / 90_000.0);
            Assert.InRange(frame.Capture.Stamp, taken.AddMilliseconds(-frame.Capture.ErrorMs!.Value - 100),
                frame.Received);
            Assert.InRange(TimeSpan.FromMilliseconds(frame.Capture.OffsetMs).TotalHours, 23.9, 24.1);
            Assert.True(frame.Capture.Synced);
        }

        // To the tick, as the camera wrote them; only the estimate of its offset may move between reports.
        var moves = known.Zip(known.Skip(1), (a, b) => (b.Capture.Stamp - a.Capture.Stamp).TotalMilliseconds
            - ((b.Pts - a.Pts) / 90.0)).Where(ms => Math.Abs(ms) > 0.1).ToList();
        Assert.True(moves.Count <= (frames.Count / Every) + 1, string.Join(", ", moves.Select(ms => $"{ms:F3} ms")));
    }

    /// <summary>Reads what the camera sends, up to its last frame.</summary>
    private static async Task<List<FrameInfo>> ReadAsync(long[] sent)
    {
        await using var camera = await SendAsync(sent);
        await using var rig = new SourceRig();
        var frames = new List<FrameInfo>();
        using var stop = new CancellationTokenSource();
        var source = rig.Create(Options(camera));
        var reading = SourceRig.ReadAsync(source, look: f => frames.Add(f.Info), stop: stop.Token);
        await Eventually.TrueAsync(() => rig.Last.State == CameraState.Offline, "the end");
        await stop.CancelAsync();
        await reading;
        return frames;
    }

    /// <summary>Timestamps of the frames as they leave the decoder.</summary>
    private static async Task<List<long>> ReadRawAsync(long[] sent)
    {
        var last = new TaskCompletionSource();
        await using var camera = await SendAsync(sent, last);
        await using var rig = new SourceRig();
        var timestamps = new List<long>();
        var end = await rig.FaultAsync(Options(camera), frame => timestamps.Add(frame.Pts));
        Assert.Equal((SourceFault.Eof, true), (end.Fault, last.Task.IsCompleted));
        return timestamps;
    }

    private static SourceOptions Options(ScriptedCamera camera) =>
        new()
        {
            Url = camera.Url,
            Queue = { Policy = QueuePolicy.Wait },
            Rtsp = { ConnectTimeout = TimeSpan.FromSeconds(30) },
        };

    private static async Task<ScriptedCamera> SendAsync(long[] timestamps, TaskCompletionSource? last = null) =>
        new(await EncodedPictures.H264Async(), async viewer =>
        {
            foreach (var timestamp in timestamps)
            {
                await viewer.SendAsync(timestamp);
                await Task.Delay(s_pace, TimeProvider.System, viewer.Stop);
            }

            last?.TrySetResult();
        });
}
