using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using OpenCvSharp;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>OpenCV's native library: loaded with the first session, and configured for a service.</summary>
internal static partial class OpenCvLibrary
{
    private static readonly Lock s_gate = new();
    private static bool s_loaded;

    /// <exception cref="SourceException">It cannot be loaded; the message has the command that helps.</exception>
    public static void Require()
    {
        lock (s_gate)
        {
            if (s_loaded) return;
            SetEnvironment();
            try
            {
                SetUp(NativeLibrary.Load("OpenCvSharpExtern", typeof(Mat).Assembly, null));
            }
            catch (DllNotFoundException e)
            {
                throw new SourceException(SourceFault.Config, Explain(e.Message), e);
            }

            s_loaded = true;
        }
    }

    /// <summary>Sentence for the loader's message.</summary>
    internal static string Explain(string message)
    {
        if (MissingLibrary().Match(message) is { Success: true } missing)
            return $"OpenCV needs {missing.Value}, which is not installed; as root: "
                + "apt-get install libgtk-3-0 libatomic1";
        return RuntimeInformation.ProcessArchitecture == Architecture.X64
            ? "OpenCV's native library (libOpenCvSharpExtern.so) is not beside the program."
            : "OpenCV's native library exists for x64 only.";
    }

    private static void SetEnvironment()
    {
        // One thread per decoder: its messages then come on the thread of their session.
        Set("OPENCV_FFMPEG_THREADS", "1");

        // FFmpeg has its own locks. OpenCV's is held while a file is opened: one that hangs would stop all others.
        Set("OPENCV_FFMPEG_IS_THREAD_SAFE", "1");
        Set("OPENCV_FFMPEG_CAPTURE_OPTIONS", $"protocol_whitelist;file|format_whitelist;{FfmpegCommand.FileFormats}");
    }

    private static void SetUp(nint library)
    {
        Cv2.SetLogLevel(LogLevel.SILENT); // standard error belongs to the service's log
        Cv2.SetNumThreads(1);             // colours take a millisecond; the cores are the model's
        FfmpegMessages.Attach(library);
    }

    // The environment that native code reads: .NET's setter changes a copy.
    private static void Set(string name, string value) => _ = setenv(name, value, 1);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);

    [GeneratedRegex(@"\blib(?!OpenCvSharp)[\w.+-]+\.so[.\d]*(?=: cannot open shared object file|: file too short)")]
    private static partial Regex MissingLibrary();
}
