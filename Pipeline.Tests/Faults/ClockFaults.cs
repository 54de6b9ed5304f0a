using System.Globalization;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>Clocks: the cameras', and ours. Complaints answered: frames lost where a clock wraps, latencies of an hour
/// after a step of the wall clock, pictures processed twice.</summary>
internal static class ClockFaults
{
    private const long Step = 3600, Hour = 3600 * 90_000L;

    public static IReadOnlyList<FaultRow> Rows { get; } =
    [
        new("camera-clock-jumps-ahead", "the camera's timestamps jump ahead by an hour",
            "the connection is kept; new epoch (clock_jump)", run => JumpAsync(run, Hour)),
        new("camera-clock-jumps-back", "the camera's timestamps jump back by an hour",
            "the connection is kept; new epoch (clock_jump)", run => JumpAsync(run, -Hour)) { Short = true },
        new("camera-clock-set-back-a-second", "the camera's timestamps go back by a second and on from there",
            "one frame is dropped, then a new epoch (clock_jump)", run => JumpAsync(run, -90_000)),
        new("camera-rtp-clock-wraps", "the 32-bit timestamps wrap",
            "nothing happens: no epoch, no gap, timestamps go on", WrapAsync) { Short = true },
        new("camera-duplicates-timestamps", "every tenth picture has its predecessor's timestamp",
            "these pictures are dropped and counted; the epoch goes on", run =>
            OddAsync(run, i => (i - (i % 10 == 9 ? 1 : 0)) * Step, "duplicate")),
        new("camera-reverses-timestamps", "every tenth picture changes places with the next",
            "the late one is dropped and counted; the epoch goes on", run =>
            OddAsync(run, i => (i % 10 == 8 ? i + 1 : i % 10 == 9 ? i - 1 : i) * Step, "out_of_order")),
        new("camera-clock-stands-still", "from one picture on all timestamps are the same",
            "a second of pictures is dropped, then the moment of arrival stands for the timestamp; the epoch goes on",
            StandsStillAsync),
        new("camera-reports-jump-1h", "the camera's sender reports name times an hour later from one to the next",
            "nothing happens: capture times go on, the offset of its clock is told anew",
            ReportsJumpAsync) { Short = true },
        new("camera-reports-make-no-sense", "the camera's sender reports name timestamps of another clock",
            "the moment of arrival stands for the capture time until reports make sense again",
            ReportsMakeNoSenseAsync),
        new("wall-clock-ahead-1h", "the host's clock is set ahead by an hour",
            "no latency, order or epoch changes; stamps follow the clock", run =>
            WallClockAsync(run, TimeSpan.FromHours(1))) { Short = true },
        new("wall-clock-back-1h", "the host's clock is set back by an hour",
            "no latency, order or epoch changes; stamps follow the clock", run =>
            WallClockAsync(run, TimeSpan.FromHours(-1))),
    ];

    private static async Task JumpAsync(FaultRun run, long by)
    {
        var go = new TaskCompletionSource();
        var camera = await PlayAsync(run, go.Task, (viewer, time) => viewer.PlayAsync(time + by));
        go.SetResult();
        await run.EventAsync("tracker.reset", "clock_jump");
        await run.RecoveredAsync();
        Assert.Equal((1, 2), (camera.Plays, run.Epochs("a")));
    }

    private static async Task WrapAsync(FaultRun run)
    {
        var wrapped = new TaskCompletionSource();
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            await viewer.PlayAsync((1L << 32) - (100 * Step), pictures: 120);
            wrapped.SetResult();
            await viewer.PlayAsync(20 * Step);
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a", 1);
        run.Now();
        await wrapped.Task;
        await run.RecoveredAsync(frames: 10);
        Assert.Equal((1, 1), (camera.Plays, run.Epochs("a")));
        var pts = run.Since("a/tracks").Select(m => Number(m, "pts")).ToList();
        Assert.All(pts.Zip(pts.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, Step, 100 * Step));
        run.Note("one epoch, timestamps rise throughout");
    }

    private static async Task OddAsync(FaultRun run, Func<long, long> timestamp, string reason)
    {
        var go = new TaskCompletionSource();
        await PlayAsync(run, go.Task, async (viewer, time) =>
        {
            for (var i = 1L; ; i++)
            {
                await viewer.SendAsync(time + timestamp(i));
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }
        });
        go.SetResult();
        await run.DroppedAsync(reason);
        await run.RecoveredAsync(frames: 20);
        Assert.Equal(1, run.Epochs("a"));
        var pts = run.Since("a/tracks").Select(m => Number(m, "pts")).ToList();
        Assert.All(pts.Zip(pts.Skip(1)), pair => Assert.True(pair.First < pair.Second));
    }

    private static async Task StandsStillAsync(FaultRun run)
    {
        var go = new TaskCompletionSource();
        var camera = await PlayAsync(run, go.Task, async (viewer, time) =>
        {
            while (true)
            {
                await viewer.SendAsync(time);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }
        });
        go.SetResult();
        await run.DroppedAsync("duplicate");
        await run.RecoveredAsync(frames: 20);
        Assert.Equal((1, 1), (camera.Plays, run.Epochs("a")));
    }

    private static async Task ReportsJumpAsync(FaultRun run)
    {
        var off = TimeSpan.Zero;
        await ReportAsync(run, (moment, timestamp) => (moment + off, timestamp));
        off = TimeSpan.FromHours(1);
        await OffsetAsync(run, hours: -1);
        await run.RecoveredAsync(frames: 20);

        Assert.Equal(1, run.Epochs("a"));
        Assert.All(run.Since("a/tracks").Zip(run.Since("a/tracks").Skip(1)), pair =>
            Assert.InRange(Number(pair.Second, "sec") - Number(pair.First, "sec"), -3, 30));
        run.Note("one epoch; no capture time further than seconds from the one before");
    }

    private static async Task ReportsMakeNoSenseAsync(FaultRun run)
    {
        var sense = true;
        await ReportAsync(run, (moment, timestamp) => (moment, sense ? timestamp : timestamp + 777_000_000));
        sense = false;
        await NewestAsync(run, newest => newest.Contains("\"source\":\"arrival\"", StringComparison.Ordinal));
        sense = true;
        await OffsetAsync(run, hours: 0);
        await run.RecoveredAsync(frames: 20);
        Assert.Equal(1, run.Epochs("a"));
        run.Note("one epoch; rtcp_sr, arrival, rtcp_sr");
    }

    /// <summary>A camera that reports once a second, as told;
    /// observed from the first capture time that comes from its reports.</summary>
    private static async Task ReportAsync(FaultRun run, Func<DateTimeOffset, long, (DateTimeOffset, long)> report)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
        {
            var began = TimeProvider.System.GetTimestamp();
            for (var i = 0; ; i++)
            {
                var timestamp = 90_000 + (long)(TimeProvider.System.GetElapsedTime(began).TotalSeconds * 90_000);
                if (i % 25 == 0)
                {
                    var (moment, at) = report(TimeProvider.System.GetUtcNow(), timestamp);
                    await viewer.ReportAsync(moment, at);
                }

                await viewer.SendAsync(timestamp);
                await Task.Delay(TimeSpan.FromMilliseconds(40), TimeProvider.System, viewer.Stop);
            }
        }));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        await OffsetAsync(run, hours: 0);
        run.Now();
    }

    /// <summary>Until the newest capture time is from reports by which the camera's
    /// clock is off by so many hours.</summary>
    private static Task OffsetAsync(FaultRun run, int hours) => NewestAsync(run, newest =>
        newest.Contains("\"source\":\"rtcp_sr\"", StringComparison.Ordinal)
            && Math.Round(double.Parse(Regex.Match(newest, "\"offset_ms\":([-0-9.]+)").Groups[1].Value,
                CultureInfo.InvariantCulture) / 3_600_000) == hours);

    private static Task NewestAsync(FaultRun run, Func<string, bool> condition)
        => Eventually.TrueAsync(() => run.Heard.On("a/tracks") is [.., var newest] && condition(newest.Text),
            "capture times of the kind that is waited for");

    private static async Task WallClockAsync(FaultRun run, TimeSpan by)
    {
        var time = new SteppedTime();
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), v => v.PlayAsync()));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}", adjust: services =>
            services.Replace(ServiceDescriptor.Singleton<TimeProvider>(time)));
        await run.FramesAsync("a");
        run.Now();
        time.Offset = by;
        await run.RecoveredAsync(frames: 30);

        // The step itself, seen from outside, and nothing else that is an hour long.
        var messages = run.Since("a/tracks").Concat(run.Since("a/tracks/final")).ToList();
        var stamps = run.Heard.On("a/tracks").Select(m => Number(m, "sec")).ToList();
        Assert.InRange(Math.Abs(stamps.Max() - stamps.Min()), 3500, 3700);
        var latencies = messages.SelectMany(m =>
            Regex.Matches(m.Text, "\"(total|capture_to_publish|queue|segment|track|refine)\":([-0-9.]+)")).Select(m =>
            double.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.All(latencies, l => Assert.InRange(l, 0, 60_000));
        var frames = run.Since("a/tracks").Select(m => Number(m, "frame_id")).ToList();
        Assert.Equal(frames.Order(), frames);
        Assert.Equal(1, run.Epochs("a"));
        run.Note(string.Create(CultureInfo.InvariantCulture,
            $"{latencies.Count} latencies, the largest {latencies.Max():0} ms; one epoch, frames in order"));
    }

    /// <summary>Plays in order up to <paramref name="go"/>, then as told from the timestamp reached;
    /// observed from then on.</summary>
    private static async Task<ScriptedCamera> PlayAsync(FaultRun run, Task go,
        Func<ScriptedCamera.Viewer, long, Task> then)
    {
        var camera = run.Own(new ScriptedCamera(await EncodedPictures.H264Async(), async viewer =>
            await then(viewer, await viewer.PlayUntilAsync(go))));
        await run.StartAsync($"a: {{ url: '{camera.Url}' }}");
        await run.FramesAsync("a");
        run.Now();
        return camera;
    }

    private static long Number(ReceivedMessage message, string key) =>
        long.Parse(Regex.Match(message.Text, $"\"{key}\":(-?\\d+)").Groups[1].Value, CultureInfo.InvariantCulture);

    /// <summary>The system's clocks, with the one on the wall set wrong.</summary>
    private sealed class SteppedTime : TimeProvider
    {
        private long _offset;

        public TimeSpan Offset { set => Interlocked.Exchange(ref _offset, value.Ticks); }

        public override DateTimeOffset GetUtcNow() =>
            base.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _offset));
    }
}
