using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sources;

public sealed class SourceOptionsTests
{
    [Fact]
    public void Validate_OneOfEach_IsFine()
    {
        Assert.Empty(Faults(new SourceOptions { Url = "rtsp://cam/1" }));
        Assert.Empty(Faults(new SourceOptions { File = "a.mp4" }));
        Assert.Empty(Faults(new SourceOptions { Device = "/dev/video0", V4l2 = new DeviceOptions() }));
        Assert.Empty(Faults(new SourceOptions { Synthetic = new SyntheticOptions() }));
    }

    [Fact]
    public void Validate_NoneOrTwo_NamesAll()
    {
        Assert.Contains("url, device, file and synthetic", Assert.Single(Faults(new SourceOptions())),
            StringComparison.Ordinal);
        Assert.Single(Faults(new SourceOptions { Url = "rtsp://cam/1", File = "a.mp4" }));
    }

    [Fact]
    public void Validate_NoCameraUrl_DoesNotRepeatIt()
    {
        var fault = Assert.Single(Faults(new SourceOptions { Url = "ftp://u:hunter2@cam/1" }));

        Assert.DoesNotContain("hunter2", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Validate_OutOfRange_IsFound()
    {
        Assert.Single(Faults(new RtspOptions { StallTimeout = TimeSpan.Zero }));
        Assert.Single(Faults(new RtspOptions { ConnectTimeout = TimeSpan.FromHours(1) }));
        Assert.Single(Faults(new RateOptions { MaxFps = -1 }));
        Assert.Single(
            Faults(new SourceOptions { File = "a", Rtsp = { Backoff = { Initial = TimeSpan.FromMinutes(5) } } }));
    }

    [Theory]
    [InlineData(true, CameraClock.RtcpSr, CameraClock.Arrival)]
    [InlineData(true, CameraClock.Arrival)]
    [InlineData(false, CameraClock.RtcpSr)] // there is not always one
    [InlineData(false, CameraClock.Arrival, CameraClock.RtcpSr)]
    [InlineData(false)]
    public void Validate_ClocksInWhatOrder_AreThoseThatMakeSense(bool fine, params CameraClock[] prefer)
        => Assert.Equal(fine, Faults(new ClockOptions { Prefer = prefer }).Count == 0);

    private static List<string> Faults(object options)
    {
        var results = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), results, validateAllProperties: true);
        return [.. results.Select(r => r.ErrorMessage ?? "")];
    }
}
