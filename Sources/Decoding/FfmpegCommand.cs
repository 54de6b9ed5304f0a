using System.Globalization;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>ffmpeg's arguments. Input is opened only through the protocols listed,
/// so no camera can make it read a local file.</summary>
internal static class FfmpegCommand
{
    // level+verbose: each line says its level; verbose is where picture sizes are told.
    private static readonly string[] s_common = ["-nostdin", "-nostats", "-hide_banner", "-v", "level+verbose"];

    // passthrough: every decoded picture once, with its own timestamp. autoscale 0: a change of size comes through
    // instead of being scaled away. copyts: the timestamps of the container. flush_packets: without it each picture
    // leaves one late. map_metadata, write_index: nothing but the pictures.
    private static readonly string[] s_output =
    [
        "-map", "0:v:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-c:v", "rawvideo", "-pix_fmt", "rgb24",
            "-autoscale", "0",
        "-fps_mode", "passthrough", "-copyts", "-flush_packets", "1", "-write_index", "0",
    ];

    /// <summary>Added to every timestamp of a camera on its way through the pipe, in ticks of 1/90000 s.</summary>
    public const long CameraPtsOffset = 1L << 40;

    // ffmpeg's muxer moves a timestamp that does not advance to one tick after the last: a camera's clock that stands
    // still, runs back or jumps would be covered up. It looks at decoding times only; those of raw pictures are
    // nobody's business, so they just count, and presentation times stand far above them.
    private static readonly string s_exactTimes =
        string.Create(CultureInfo.InvariantCulture, $"setts=pts=PTS+{CameraPtsOffset}:dts=N");

    // Containers and streams that hold pictures themselves. Left out is whatever names other files or addresses to open
    // (playlists, scripts, session descriptions, patterns of file names) or hands the file to a program: a video must
    // not make the decoder read anything else.
    internal const string FileFormats =
        "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,nut,mxf,gxf,wtv,rm,dv,ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,mpegvideo,mjpeg,mpjpeg,vc1,vc1test,cavsvideo,avs2,avs3,dirac,dnxhd,dhav,cine,"
        + "yuv4mpegpipe,gif,apng,jpeg_pipe,png_pipe,bmp_pipe,tiff_pipe,webp_pipe,wav,mp3,aac,flac";

    private const string ListFormats = "concat,image2,jpeg_pipe,png_pipe,bmp_pipe,tiff_pipe,webp_pipe";

    /// <summary>A file: everything that decodes, in order; timestamps in the file's own timebase.</summary>
    public static IReadOnlyList<string> ForFile(string path)
        => [.. s_common, "-protocol_whitelist", "file", "-format_whitelist", FileFormats, "-i", "file:"
            + Path.GetFullPath(path), .. s_output, "-enc_time_base", "-1", "-f", "nut", "pipe:1"];

    /// <summary>
    /// Images, as the list names them. Exact colours are converted with the chroma at full resolution, which is the
    /// nearest ffmpeg comes to libjpeg: on photographs half of the values are equal, most others off by one.
    /// </summary>
    /// <param name="list">File in the form of the concat demuxer.</param>
    /// <param name="exactColours">False: colours are converted as those of files and cameras are.</param>
    public static IReadOnlyList<string> ForImages(string list, bool exactColours)
    {
        const string exact = "bicubic+full_chroma_int+full_chroma_inp+accurate_rnd";
        string[] conversion = exactColours ? ["-sws_flags", exact] : [];
        return
        [
            .. s_common, "-protocol_whitelist", "file", "-format_whitelist", ListFormats, "-f", "concat", "-safe", "0",
            "-i", list,
            .. conversion, .. s_output, "-enc_time_base", "-1", "-f", "nut", "pipe:1",
        ];
    }

    /// <summary>
    /// A camera: least latency. Timestamps are the camera's own, as they come and without ffmpeg's guesses at wraps
    /// (<see cref="LiveClock"/> judges them); arrival times (<c>-use_wallclock_as_timestamps</c>) would put the
    /// network's jitter into media time.
    /// </summary>
    /// <param name="url">Without a login and without TLS: those are the relay's.</param>
    public static IReadOnlyList<string> ForRtsp(string url, RtspTransport transport, TimeSpan connectTimeout)
    {
        var microseconds = ((long)connectTimeout.TotalMicroseconds).ToString(CultureInfo.InvariantCulture);

        // nobuffer turns off the reordering that UDP needs; this much of it costs nothing while packets come in order.
        string[] reorder = transport == RtspTransport.Udp ? ["-reorder_queue_size", "64", "-max_delay", "100000"] : [];
        return
        [
            .. s_common, "-fflags", "nobuffer", "-flags", "low_delay", "-analyzeduration", "500000", "-probesize",
            "200000",
            "-correct_ts_overflow", "0",
            "-protocol_whitelist", transport == RtspTransport.Udp ? "tcp,rtp,udp" : "tcp", "-format_whitelist", "rtsp",
                "-f", "rtsp", "-allowed_media_types", "video", "-rtsp_transport", EnumName.Of(transport),
            .. reorder, "-timeout", microseconds, "-i", url, .. s_output, "-enc_time_base", "1:90000", "-bsf:v",
            s_exactTimes, "-f", "nut", "pipe:1",
        ];
    }
}
