using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Sources.Decoding;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.OpenCv;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

/// <summary>
/// Reads of OpenCV that do not return: those of a named pipe whose writer sends nothing, or that has no writer. They
/// block in the kernel, as a device does whose driver hangs, or a file of a dead network drive.
/// </summary>
public sealed class OpenCvStallTests : IDisposable
{
    private readonly Clips _clips = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _clips.Dispose();

    [Fact(Timeout = 180_000)]
    public async Task ReadAsync_ReadStalls_TheSessionIsGivenUpAndTheNextOneReads()
    {
        var clip = await File.ReadAllBytesAsync(await _clips.MakeAsync("whole.mkv", "320x240", "60", "-c:v", "mjpeg"));
        await using var rig = new SourceRig(_time, DecodeBackend.Opencv);
        var path = await MakePipeAsync(_clips.Path("clip.mkv"));
        var options = new SourceOptions { File = path, Loop = true };
        var infos = new List<FrameInfo>();
        using var stop = new CancellationTokenSource();
        var reading = Task.Run(async () =>
        {
            await foreach (var frame in rig.Create(options).ReadAsync(stop.Token))
            {
                using (frame)
                {
                    lock (infos) infos.Add(frame.Info);
                }
            }
        });

        await using (var writer =
            await Task.Run(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)))
        {
            await writer.WriteAsync(clip.AsMemory(0, clip.Length / 2));
            await writer.FlushAsync();
            await Eventually.TrueAsync(() => Read() > 10, "the first half is read");
            // the drive is back; the stuck read still has the pipe
            File.Move(_clips.Path("whole.mkv"), path, overwrite: true);
            await Eventually.TrueAsync(() =>
                Advance(1) && Has(SourceFault.Stalled), "the watchdog has given the session up");
            Assert.Equal(1, rig.OpenCv.AbandonedThreads(path));
            Assert.Equal(1, rig.Probe.Sum("dvis.source.abandoned_threads", "camera=cam"));
            await Eventually.TrueAsync(() => Advance(0.1) && Sessions() > 1, "the next session reads");
        }

        await Eventually.TrueAsync(() => rig.OpenCv.AbandonedThreads(path) == 0, "the stuck read has returned");
        await stop.CancelAsync();
        await Eventually.TrueAsync(() => Advance(1) && reading.IsCompleted);
        await reading;
        Assert.Equal(Enumerable.Range(0, infos.Count).Select(i => (long)i), infos.Select(i => i.FrameId));

        int Read()
        {
            lock (infos) return infos.Count;
        }

        int Sessions()
        {
            lock (infos) return infos.Select(i => i.Session).Distinct().Count();
        }

        bool Has(SourceFault fault) => rig.Statuses.Any(s => s.Reason == fault);
    }

    [Fact(Timeout = 180_000)]
    public async Task Start_TooManyThreadsAreStuck_FailsUntilOneReturns()
    {
        SourceRig.RequireOpenCv();
        var decoder = new OpenCvDecoder();
        var path = await MakePipeAsync(_clips.Path("pipe.mkv"));
        var options = new SourceOptions { File = path, Decode = { Backend = DecodeBackend.Opencv } };
        using var pool = new FramePool();
        for (var i = 0; i < OpenCvDecoder.MaxAbandonedThreads; i++)
        {
            Assert.Equal(i, decoder.AbandonedThreads(path));
            await AbandonAsync();
        }

        var fault = Assert.Throws<SourceException>(() => decoder.Start("cam", options, pool, _time));
        Assert.Equal(SourceFault.Stalled, fault.Fault);

        // Opened for writing and closed: every reader comes to the end of an empty file.
        await using (await Task.Run(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)))
        {
        }

        await Eventually.TrueAsync(() => decoder.AbandonedThreads(path) == 0, "the stuck calls have returned");
        await AbandonAsync();
        Assert.Equal(1, decoder.AbandonedThreads(path));
        await using var end =
            await Task.Run(() => new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite));
        Assert.Equal(0, pool.Outstanding);

        async Task AbandonAsync()
        {
            var session = decoder.Start("stuck", options, pool, _time);
            using var stop = new CancellationTokenSource();
            var read = session.ReadAsync(stop.Token);
            await Eventually.TrueAsync(() => StuckThreads() == decoder.AbandonedThreads(path) + 1, "it is stuck, too");
            await stop.CancelAsync();
            Assert.Null(await read);
            var disposing = session.DisposeAsync().AsTask();
            await Eventually.TrueAsync(() => Advance(1) && disposing.IsCompleted);
            await disposing;
        }
    }

    /// <summary>Named pipe: reading it blocks in the kernel until a program writes.</summary>
    private static async Task<string> MakePipeAsync(string path)
    {
        Assert.Equal(0, (await Tool.RunAsync("mkfifo", [path])).Code);
        return path;
    }

    // Threads of camera "stuck" that wait in openat(2), by its number on x64.
    private static int StuckThreads() => Directory.GetDirectories("/proc/self/task").Count(task =>
        File.ReadAllText(task + "/comm") == "opencv stuck\n"
        && File.ReadAllText(task + "/syscall").StartsWith("257 ", StringComparison.Ordinal));

    private bool Advance(double seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        return true;
    }
}
