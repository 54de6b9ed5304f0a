using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Supervision;

public sealed class SupervisedSourceTests
{
    private static readonly SourceOptions s_exact = new() { Rtsp = { Backoff = { Jitter = 0 } } };

    /// <param name="frames">Frames of each session; those of a second are no sign of health.</param>
    [Theory(Timeout = 120_000)]
    [InlineData(0)]
    [InlineData(2)]
    public async Task ReadAsync_CameraFailsAgainAndAgain_PausesDoubleUpToTheMaximum(int frames)
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var always = Enumerable.Repeat(ScriptedSource.Frames(frames, SourceFault.Refused), 9).ToArray();
        using var stop = new CancellationTokenSource();
        var reading =
            SourceRig.ReadAsync(rig.Supervise(new ScriptedSource(rig.Pool, true, always), s_exact), stop: stop.Token);

        await Eventually.TrueAsync(() =>
            Advance(time, 10) && rig.Statuses.Count(s => s.State == CameraState.Offline) >= 9);
        await stop.CancelAsync();

        Assert.Equal(9 * frames, (await reading).Count);
        var offline = rig.Statuses.Where(s => s.Reason == SourceFault.Refused).ToList();
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60, 60], offline.Select(s => s.NextRetrySeconds!.Value));
        Assert.Equal(Enumerable.Range(1, 9).Select(i => frames == 0 ? i : 1), offline.Select(s => s.Attempt));
        Assert.Equal(CameraState.Starting, rig.Statuses[0].State);
        Assert.Equal(8, rig.Probe.Sum("dvis.source.reconnects", "reason=refused"));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_AfterAHealthySession_TheFirstPauseIsShortAgain()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(
            rig.Pool, true, ScriptedSource.Frames(0, SourceFault.Refused),
            ScriptedSource.Frames(0, SourceFault.Refused),
            session => // healthy: one frame, eleven quiet seconds, another frame
            {
                if (session.Frame == 1) time.Advance(TimeSpan.FromSeconds(11));
                return ScriptedSource.Frames(2, SourceFault.Eof)(session);
            });
        var options =
            new SourceOptions { Rtsp = { Backoff = { Jitter = 0 }, StallTimeout = TimeSpan.FromSeconds(60) } };
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Supervise(source, options), stop: stop.Token);

        await Eventually.TrueAsync(() => Advance(time, 1) && rig.Statuses.Any(s => s.Reason == SourceFault.Eof));
        await stop.CancelAsync();
        await reading;

        Assert.Equal([1, 2, 1], rig.Statuses.Where(s => s.NextRetrySeconds is not null)
            .Select(s => s.NextRetrySeconds!.Value));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_OverSessions_FrameIdsAndSessionsGoOn()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, ScriptedSource.Frames(3, SourceFault.Eof),
            ScriptedSource.Frames(0, SourceFault.AuthFailed), ScriptedSource.Frames(2, SourceFault.Eof));
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 5);
        await Eventually.TrueAsync(() => Advance(time, 1) && reading.IsCompleted);

        Assert.Equal([(0L, 0), (1, 0), (2, 0), (3, 1), (4, 1)], (await reading).Select(f => (f.FrameId, f.Session)));
        Assert.Equal(5, rig.Probe.Sum("dvis.source.frames"));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SessionsThatLoseFrames_LeaveTheirIdsOut()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(
            rig.Pool, true, ScriptedSource.Frames(2, SourceFault.Eof), ScriptedSource.Frames(2, SourceFault.Eof))
        { Skipped = 3 };

        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 4);
        await Eventually.TrueAsync(() => Advance(time, 1) && reading.IsCompleted);

        Assert.Equal([3L, 4, 8, 9], (await reading).Select(f => f.FrameId));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_LiveFrames_HaveTheSourcesCaptureTimeOrTheArrivalLessItsLateness()
    {
        await using var rig = new SourceRig(new ManualTime());
        var exact = new CaptureTime(Some.Now, ClockSource.Synthetic, 0, 0, true);
        var source = new TimedSource(rig.Pool, [(0, null), (40, null), (95, null), (120, exact)]);

        var frames = await SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 4);

        Assert.Equal(
            [0, 40, 80], frames.Take(3).Select(f => Math.Round((f.Capture.Stamp - Some.Now).TotalMilliseconds)));
        Assert.All(frames.Take(3), f =>
            Assert.Equal((ClockSource.Arrival, null, false), (f.Capture.Source, f.Capture.ErrorMs, f.Capture.Synced)));
        Assert.Equal(exact, frames[3].Capture);
    }

    /// <summary>After an hour of suspension the camera has some time to send again.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_WholeProcessWasStopped_IsNoStall()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var waits = new TaskCompletionSource();
        var goesOn = new TaskCompletionSource();
        var source = new ScriptedSource(rig.Pool, true, async session =>
        {
            if (session.Frame != 1) return;
            waits.SetResult();
            await goesOn.Task;
        });
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 3);
        await waits.Task;

        time.Advance(TimeSpan.FromHours(1));
        goesOn.SetResult();

        Assert.Equal([0, 0, 0], (await reading).Select(f => f.Session));
        Assert.DoesNotContain(rig.Statuses, s => s.State == CameraState.Offline);
    }

    [Theory(Timeout = 120_000)]
    [InlineData(0, SourceFault.Timeout)]
    [InlineData(2, SourceFault.Stalled)]
    public async Task ReadAsync_Silence_EndsTheSessionWithItsReason(int frames, SourceFault expected)
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, ScriptedSource.FramesThenSilence(frames));
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), stop: stop.Token);

        await Eventually.TrueAsync(() => Advance(time, 1) && source.Begun > 1);
        await stop.CancelAsync();

        Assert.Equal(frames, (await reading).Count);
        Assert.Contains(rig.Statuses, s => s.State == CameraState.Offline && s.Reason == expected);
    }

    /// <summary>Only silence of packets ends a session that has shown no frame yet.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_PacketsWithoutAFrame_WaitsAsLongAsTheyCome()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, ScriptedSource.FramesThenSilence(0));
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), stop: stop.Token);
        await Eventually.TrueAsync(() => source.Begun == 1);

        for (var i = 0; i < 100; i++)
        {
            source.Packets++;
            time.Advance(TimeSpan.FromSeconds(10)); // less than the 15 s of silence that end a session
        }

        await Eventually.TrueAsync(() => rig.Statuses.Count == 2);
        Assert.Equal((CameraState.Starting, SourceFault.Ok, "packets arrive, no key frame yet"),
            (rig.Last.State, rig.Last.Reason, rig.Last.Detail));
        Assert.Contains(rig.Logs.Entries, e => e.Text.Contains("I-frame", StringComparison.Ordinal));
        Assert.Equal(1, source.Begun);
        await Eventually.TrueAsync(() => Advance(time, 1) && rig.Statuses.Count > 2);
        Assert.Equal((CameraState.Offline, SourceFault.Stalled), (rig.Statuses[2].State, rig.Statuses[2].Reason));
        await stop.CancelAsync();
        Assert.Empty(await reading);
    }

    /// <summary>After the first frame, packets that give no frames are no excuse.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_PacketsButNoMoreFrames_IsAStall()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, ScriptedSource.FramesThenSilence(1));
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), stop: stop.Token);

        await Eventually.TrueAsync(() =>
        {
            source.Packets++;
            return Advance(time, 1) && rig.Last.State == CameraState.Offline;
        });
        await stop.CancelAsync();

        Assert.Equal(SourceFault.Stalled, rig.Statuses.First(s => s.State == CameraState.Offline).Reason);
        Assert.Single(await reading);
    }

    /// <summary>The same failure is logged again after 1, 2, 4, ... and then every 60 minutes.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SameFailureForHours_IsLoggedAgainAtGrowingIntervals()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var always = Enumerable.Repeat(ScriptedSource.Frames(0, SourceFault.Refused), 1000).ToArray();
        using var stop = new CancellationTokenSource();
        var began = time.GetTimestamp();
        var minutes = new List<double>();
        var reading =
            SourceRig.ReadAsync(rig.Supervise(new ScriptedSource(rig.Pool, true, always), s_exact), stop: stop.Token);

        while (time.GetElapsedTime(began) < TimeSpan.FromMinutes(140))
        {
            var reported = rig.Statuses.Count;
            await Eventually.TrueAsync(() => Advance(time, 30) && rig.Statuses.Count > reported);
            if (Lines().Count > minutes.Count) minutes.Add(time.GetElapsedTime(began).TotalMinutes);
        }

        await stop.CancelAsync();
        await reading;
        Assert.True(rig.Last.Attempt == 0 && rig.Statuses.Max(s => s.Attempt) > 30);
        Assert.InRange(minutes.Count, 6, 8);
        Assert.All(minutes.Zip(minutes.Skip(1)).Index(), pair =>
            Assert.True(pair.Item.Second - pair.Item.First >= Math.Min(60, 1 << pair.Index) - 1, $"{pair}"));
        Assert.Matches("offline, refused: as written Attempt [1-9][0-9]+ failed", Lines()[^1]);

        List<string> Lines() => [.. rig.Logs.Entries.Where(e => e.Id == 1004).Select(e => e.Text)];
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SlowReader_IsNoStall()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, ScriptedSource.Frames(3, SourceFault.Eof));

        await SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 3, look: _ =>
            time.Advance(TimeSpan.FromMinutes(5)));

        Assert.Equal(1, source.Begun);
        Assert.DoesNotContain(rig.Statuses, s => s.Reason == SourceFault.Stalled);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_FileEnds_IsOfflineWithReasonEof()
    {
        await using var rig = new SourceRig();

        var frames = await SourceRig.ReadAsync(
            rig.Supervise(new ScriptedSource(rig.Pool, false, ScriptedSource.Frames(2)), s_exact));

        Assert.Equal(2, frames.Count);
        Assert.Equal((CameraState.Offline, SourceFault.Eof, null),
            (rig.Last.State, rig.Last.Reason, rig.Last.NextRetrySeconds));
        Assert.False(rig.Last.IsFailure);
    }

    [Theory(Timeout = 120_000)]
    [InlineData(false, 2)] // a second reading would deliver frames twice
    [InlineData(true, 0)] // loops, but has never shown anything
    public async Task ReadAsync_FileFails_EndsForGood(bool loop, int frames)
    {
        await using var rig = new SourceRig();
        var source = new ScriptedSource(rig.Pool, false, ScriptedSource.Frames(frames, SourceFault.DecodeErrors));

        var read = await SourceRig.ReadAsync(rig.Supervise(source, new SourceOptions { Loop = loop }));

        Assert.Equal(frames, read.Count);
        Assert.Equal(1, source.Begun);
        Assert.Equal((CameraState.Offline, SourceFault.DecodeErrors, null),
            (rig.Last.State, rig.Last.Reason, rig.Last.NextRetrySeconds));
        Assert.True(rig.Last.IsFailure);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_LoopedFileFailsAfterFrames_IsTriedAgain()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, false, ScriptedSource.Frames(2, SourceFault.DecodeErrors),
            ScriptedSource.Frames(2));

        var reading = SourceRig.ReadAsync(
            rig.Supervise(source, new SourceOptions { Loop = true, Rtsp = { Backoff = { Jitter = 0 } } }));
        await Eventually.TrueAsync(() => Advance(time, 1) && reading.IsCompleted);

        Assert.Equal([0, 1, 2, 3], (await reading).Select(f => f.FrameId));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_StoppedWhilePausing_EndsWithoutException()
    {
        await using var rig = new SourceRig(new ManualTime());
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Supervise(
            new ScriptedSource(rig.Pool, true, ScriptedSource.Frames(0, SourceFault.Tls)), s_exact), stop: stop.Token);
        await Eventually.TrueAsync(() => rig.Statuses.Count == 2);

        await stop.CancelAsync();

        Assert.Empty(await reading);
        Assert.Equal((CameraState.Offline, SourceFault.Ok), (rig.Last.State, rig.Last.Reason));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_SourceWithABug_IsUnknownAndTriedAgain()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var source = new ScriptedSource(rig.Pool, true, _ =>
            throw new InvalidOperationException("rtsp://u:hunter2@host/x is odd"), ScriptedSource.Frames(1));
        var reading = SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 1);
        await Eventually.TrueAsync(() => Advance(time, 1) && reading.IsCompleted);

        var failed = rig.Statuses.First(s => s.State == CameraState.Offline);
        Assert.Equal(SourceFault.Unknown, failed.Reason);
        Assert.Contains("InvalidOperationException", failed.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", string.Join('\n', rig.Statuses.Select(s => s.Detail)
            .Concat(rig.Logs.Entries.Select(e => e.Text))), StringComparison.Ordinal);
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_MaxFps_DropsTheRestAndCountsIt()
    {
        // Some.Frame is 30 frames a second in media time.
        await using var rig = new SourceRig();
        var source = new ScriptedSource(rig.Pool, false, ScriptedSource.Frames(90));

        var frames = await SourceRig.ReadAsync(rig.Supervise(source, new SourceOptions { Rate = { MaxFps = 10 } }));

        Assert.Equal(30, frames.Count);
        Assert.All(frames.Zip(frames.Skip(1)), pair => Assert.Equal(3, pair.Second.FrameId - pair.First.FrameId));
        Assert.Equal(60, rig.Probe.Sum("dvis.frames.dropped", "stage=source", "reason=rate_limit"));
        Assert.Equal(90, rig.Probe.Sum("dvis.source.frames"));
    }

    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_Streaming_ReportsTheRateNowAndThenAndBrokenPicturesAsDegraded()
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time);
        var log = new FfmpegLog(new Redactor());
        log.Add("[info]   Stream #0:0: Video: h264 (High), yuv420p, 640x360, 25 fps, 25 tbr");
        var source = new ScriptedSource(rig.Pool, true, session =>
        {
            if (session.Frame == 200) log.Add("[h264 @ 0x55] [error] error while decoding MB 1 2");
            if (session.Frame > 0) time.Advance(TimeSpan.FromMilliseconds(100));
            return ScriptedSource.FramesThenSilence(400)(session);
        })
        { Decoder = log };

        await SourceRig.ReadAsync(rig.Supervise(source, s_exact), most: 400);

        Assert.Equal(
            [CameraState.Starting, CameraState.Online, CameraState.Online, CameraState.Online, CameraState.Degraded,
                CameraState.Online],
            rig.Statuses.Take(6).Select(s => s.State));
        Assert.Equal([10, 10, 10, 10], rig.Statuses.Skip(2).Take(4).Select(s => s.FpsIn));
        Assert.Equal(SourceFault.DecodeErrors, rig.Statuses[4].Reason);
        Assert.Equal("h264", rig.Statuses[1].Codec);
        Assert.Equal((4, 2), (rig.Statuses[2].LastFrame!.Width, rig.Statuses[2].LastFrame!.Height));
        Assert.Equal(1, rig.Probe.Sum("dvis.source.decode_errors"));
    }

    /// <summary>The file is read again by another decoder: its errors count, and those that the last one reported
    /// after its last frame.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_AnotherDecoder_ErrorsOfBothAreCounted()
    {
        await using var rig = new SourceRig();
        FfmpegLog[] logs = [new(new Redactor()), new(new Redactor())];
        logs[1].Add("[h264 @ 0x55] [error] error while decoding MB 1 2");
        ScriptedSource source = null!;
        source = new ScriptedSource(rig.Pool, false, session =>
        {
            if (session.Frame == 1)
            {
                for (var i = 0; i < 3; i++) logs[0].Add("[h264 @ 0x55] [error] error while decoding MB 1 2");
                source.Decoder = logs[1];
            }

            return ScriptedSource.Frames(2)(session);
        })
        { Decoder = logs[0] };

        await SourceRig.ReadAsync(rig.Supervise(source, s_exact));

        Assert.Equal(4, rig.Probe.Sum("dvis.source.decode_errors"));
    }

    private static bool Advance(ManualTime time, double seconds)
    {
        time.Advance(TimeSpan.FromSeconds(seconds));
        return true;
    }

    /// <summary>25 frames per second in media time, each with its arrival in ms and its capture time.</summary>
    private sealed class TimedSource(FramePool pool, (int Arrival, CaptureTime? Capture)[] frames) : IRawSource
    {
        public bool IsLive => true;

        public IDecoderFacts? Decoder => null;

        public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
        {
            foreach (var (i, (arrival, capture)) in frames.Index())
            {
                await Task.Yield();
                var after = TimeSpan.FromMilliseconds(arrival);
                yield return new RawFrame(
                    pool.Rent(4, 2), i * 3600, new Timebase(1, 90000), ManualTime.Ticks(after), Some.Now + after)
                { Begins = i == 0, Capture = capture };
            }
        }
    }
}
