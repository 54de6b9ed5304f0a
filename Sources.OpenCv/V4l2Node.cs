using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;
using Microsoft.Win32.SafeHandles;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>Check of a device node before OpenCV opens it: OpenCV does not report why it fails.</summary>
internal static partial class V4l2Node
{
    private const int Busy = 16; // EBUSY
    private const nuint QueryCapabilities = 0x80685600; // VIDIOC_QUERYCAP
    private const uint Capture = 0x1001; // V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
    private const int NodeCapabilities = 88; // offset in struct v4l2_capability, of 104 bytes

    /// <exception cref="SourceException">It is not a node that captures video, or not for this user.</exception>
    public static void Require(string path)
    {
        try
        {
            using var node = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            var answer = new byte[104];
            if (ioctl(node, QueryCapabilities, answer) != 0)
                throw new SourceException(SourceFault.Config, "It is not a V4L2 device.");
            if ((BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(NodeCapabilities)) & Capture) == 0)
                throw new SourceException(SourceFault.Config,
                    "It captures no video; a camera has other nodes beside the one that does.");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new SourceException(SourceFault.NotFound, "The device does not exist.", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SourceException(SourceFault.Config,
                "Permission denied; the user must be in the device's group, video.", e);
        }
        catch (IOException e)
        {
            throw new SourceException(e.HResult == Busy ? SourceFault.Refused : SourceFault.NotFound, e.Message, e);
        }
    }

    [LibraryImport("libc")]
    private static partial int ioctl(SafeFileHandle node, nuint request, byte[] answer);
}
