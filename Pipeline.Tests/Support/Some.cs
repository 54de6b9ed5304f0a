using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Plain valid values for tests that do not care which.</summary>
internal static partial class Some
{
    public static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static FrameInfo FrameInfo(int width, int height, long frameId = 1, string camera = "cam")
        => new(camera, frameId, 0, frameId * 3000, new Timebase(1, 90000), frameId * 333_333, Now,
            new CaptureTime(Now, ClockSource.Synthetic, 0, 0, true), width, height);

    /// <summary>What a decoder gives of such a frame.</summary>
    public static RawFrame RawFrame(FramePool pool, int width, int height, long number)
        => new(pool.Rent(width, height), number * 3000, new Timebase(1, 90000), number * 333_333, Now)
        {
            Begins = number == 0,
            Capture = new CaptureTime(Now, ClockSource.Synthetic, 0, 0, true),
        };

    public static Frame Frame(FramePool pool, int width, int height, long frameId = 1, string camera = "cam")
    {
        var frame = pool.Rent(width, height, FrameInfo(width, height, frameId, camera));
        Lcg.Fill(frame.Pixels, (uint)frameId);
        return frame;
    }
}
