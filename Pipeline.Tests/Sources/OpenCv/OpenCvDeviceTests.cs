using System.Diagnostics.Metrics;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.OpenCv;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources.OpenCv;

/// <summary>Devices that are not there, or are none. No test has frames of one: that takes hardware.</summary>
public sealed class OpenCvDeviceTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = 120_000)]
    public Task ReadAsync_DeviceIsMissing_IsNotFoundAndTriedAgain()
        => FailsAsync(Path.Combine(_folder.Root, "video0"), SourceFault.NotFound, "does not exist");

    [Theory(Timeout = 120_000)]
    [InlineData("/dev/null")]
    [InlineData("a.mp4")]
    public Task ReadAsync_NoVideoDevice_IsAConfigurationFault(string path)
        => FailsAsync(Path.Combine(_folder.Root, path), SourceFault.Config, "not a V4L2 device");

    /// <summary>A node without a driver, as it stays behind in a container when the camera is unplugged.</summary>
    [Fact(Timeout = 120_000)]
    public async Task ReadAsync_NodeWithoutADriver_IsNotFoundAndTriedAgain()
    {
        var node = Path.Combine(_folder.Root, "video9");
        var (code, why) = await Tool.RunAsync("mknod", [node, "c", "81", "9"]);
        Assert.SkipUnless(code == 0, $"No device node can be made here: {why}");
        await FailsAsync(node, SourceFault.NotFound, "No such device");
    }

    [Fact(Timeout = 120_000)]
    public async Task Probe_NodeOfAnotherUser_IsAConfigurationFault()
    {
        SourceRig.RequireOpenCv();
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root can become another user.");
        var node = _folder.Write("video0", "");
        await Tool.RunAsync("chmod", ["0", node]);
        await Tool.RunAsync("chmod", ["755", _folder.Root]);
        var config = _folder.Write("config.yaml", $"cameras: {{ desk: {{ device: '{node}' }} }}");

        var (code, output) = await Tool.RunAsync(
            "setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", "dotnet", Tool.Dvis, "probe", "--camera",
                "desk", "-c", config]);

        Assert.Equal("desk: config: Permission denied; the user must be in the device's group, video.\n", output);
        Assert.Equal(1, code);
    }

    [Fact(Timeout = 120_000)]
    public async Task Probe_NameInDev_IsADevice()
    {
        SourceRig.RequireOpenCv();
        var (code, output) = await Tool.DvisAsync("probe", "/dev/video-that-is-not-there");

        Assert.Equal("/dev/video-that-is-not-there: not_found: The device does not exist.\n", output);
        Assert.Equal(1, code);
    }

    /// <summary>A gauge per source would also report the replaced camera.</summary>
    [Fact]
    public async Task Create_CameraIsReplaced_HasOneGaugeOfAbandonedThreads()
    {
        await using var rig = new SourceRig();
        rig.Create(new SourceOptions { Device = "/dev/video0" });
        rig.Create(new SourceOptions { Device = "/dev/video1" });

        var gauges = new List<Instrument>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Scope == rig.Probe.Metrics && instrument.Name == "dvis.source.abandoned_threads")
                gauges.Add(instrument);
        };
        listener.Start();

        Assert.Single(gauges);
        Assert.Equal(2, rig.Probe.Records("dvis.source.abandoned_threads", "camera=cam"));
    }

    [Theory]
    [InlineData(false, 7, 6, SourceFault.NotFound)] // unplugged
    [InlineData(true, 7, 6, SourceFault.Stalled)]
    [InlineData(true, 7, 5, SourceFault.Eof)]
    [InlineData(true, 0, 1, SourceFault.Refused)]
    public void End_ByDeviceFramesAndTheLastRead_HasItsReason(
        bool isThere, long frames, double lastRead, SourceFault expected)
    {
        var node = Path.Combine(_folder.Root, "video0");
        if (isThere) _folder.Write("video0", "");
        var device = new DeviceInput(node, new DeviceOptions());

        var end = device.End(new FfmpegLog(new Redactor()), frames, TimeSpan.FromSeconds(lastRead));

        Assert.Equal(expected, end!.Fault);
    }

    private static async Task FailsAsync(string path, SourceFault fault, string detail)
    {
        var time = new ManualTime();
        await using var rig = new SourceRig(time, DecodeBackend.Opencv);
        using var stop = new CancellationTokenSource();
        var reading = SourceRig.ReadAsync(rig.Create(new SourceOptions { Device = path }), stop: stop.Token);
        await Eventually.TrueAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return rig.Statuses.Count(s => s.Reason == fault) >= 2;
        });
        await stop.CancelAsync();

        Assert.Empty(await reading);
        var failed = rig.Statuses.First(s => s.Reason == fault);
        Assert.Equal((CameraState.Offline, true), (failed.State, failed.NextRetrySeconds is not null));
        Assert.Contains(detail, failed.Detail, StringComparison.Ordinal);
    }
}
