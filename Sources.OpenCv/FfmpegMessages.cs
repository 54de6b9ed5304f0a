using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>
/// Messages of the FFmpeg inside OpenCV, which OpenCV does not pass on. FFmpeg has one handler per process; each
/// message goes to the log of the session on whose thread it was written.
/// </summary>
internal static unsafe class FfmpegMessages
{
    private const int ErrorLevel = 16; // AV_LOG_ERROR
    private const int PrintLevel = 2;  // AV_LOG_PRINT_LEVEL: "[h264 @ 0x...] [error] text"
    private const int LongestLine = 1024;

    private static delegate* unmanaged[Cdecl]<void*, int, byte*, void*, byte*, int, int*, int> s_format;

    [ThreadStatic]
    private static FfmpegLog? t_log;

    /// <summary>Log of the calling thread's session; null: none.</summary>
    public static FfmpegLog? Log { set => t_log = value; }

    /// <summary>Takes the messages from FFmpeg's default handler, which writes to standard error.</summary>
    public static void Attach(nint library)
    {
        s_format = (delegate* unmanaged[Cdecl]<void*, int, byte*, void*, byte*, int, int*, int>)
            NativeLibrary.GetExport(library, "av_log_format_line2");
        ((delegate* unmanaged[Cdecl]<int, void>)NativeLibrary.GetExport(library, "av_log_set_flags"))(PrintLevel);
        ((delegate* unmanaged[Cdecl]<void*, void>)NativeLibrary.GetExport(library, "av_log_set_callback"))(
            (delegate* unmanaged[Cdecl]<void*, int, byte*, void*, void>)&Take);
    }

    // A va_list is a pointer on x64, the only processor with a library.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Take(void* context, int level, byte* format, void* arguments)
    {
        if (level > ErrorLevel || t_log is not { } log) return;
        var line = stackalloc byte[LongestLine];
        var prefix = 1;
        s_format(context, level, format, arguments, line, LongestLine, &prefix);
        log.Add(Marshal.PtrToStringUTF8((nint)line)!.TrimEnd());
    }
}
