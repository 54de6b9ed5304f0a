using System.Globalization;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sources.Clocks;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>Arguments of ffmpeg. It opens the listed protocols only, and no local file for a camera.</summary>
internal static class FfmpegCommand
{
    // level: each line has its level. verbose: the sizes of frames are logged.
    private static readonly string[] s_common = ["-nostdin", "-nostats", "-hide_banner", "-v", "level+verbose"];

    // passthrough: every decoded frame once, with its own timestamp. autoscale 0: frames of another size are not scaled
    // to the first size. copyts: the timestamps of the container. flush_packets: without it each frame comes one late.
    // V: a cover or a thumbnail is not a video. map_metadata, write_index: frames only.
    private static readonly string[] s_output =
    [
        "-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-c:v", "rawvideo", "-pix_fmt", "rgb24",
        "-autoscale", "0", "-fps_mode", "passthrough", "-copyts", "-flush_packets", "1", "-write_index", "0",
    ];

    /// <summary>Offset of a camera's timestamps in the pipe, in ticks of 1/90000 s.</summary>
    public const long CameraPtsOffset = 1L << 40;

    // ffmpeg's muxer moves a decoding time that does not advance to one tick after the last, which would hide a clock
    // that stands still, runs back or jumps. So decoding times, which raw frames do not need, are just counted, and
    // presentation times are far above them.
    private static readonly string s_exactTimes =
        string.Create(CultureInfo.InvariantCulture, $"setts=pts=PTS+{CameraPtsOffset}:dts=N");

    // Containers and streams with frames of their own. Formats that name other files or addresses to open (playlists,
    // scripts, session descriptions, patterns of file names) or pass the file to a program are left out: a video must
    // not make the decoder read anything else.
    internal const string FileFormats =
        "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,nut,mxf,gxf,wtv,rm,dv,ivf,obu,av1,h261,h263,h264,hevc,vvc,m4v,"
        + "mpegvideo,mjpeg,mpjpeg,vc1,vc1test,cavsvideo,avs2,avs3,dirac,dnxhd,dhav,cine,yuv4mpegpipe,gif,apng,"
        + "jpeg_pipe,png_pipe,bmp_pipe,tiff_pipe,webp_pipe,wav,mp3,aac,flac";

    private const string ListFormats = "concat,image2,jpeg_pipe,png_pipe,bmp_pipe,tiff_pipe,webp_pipe";

    /// <summary>Decodes a file: everything in order; timestamps in the file's own timebase.</summary>
    public static IReadOnlyList<string> ForFile(string path) =>
    [
        .. s_common, "-protocol_whitelist", "file", "-format_whitelist", FileFormats, "-i",
        "file:" + Path.GetFullPath(path), .. s_output, "-enc_time_base", "-1", "-f", "nut", "pipe:1",
    ];

    /// <summary>
    /// Decodes the images of a list. Exact colours are converted with the chroma at full resolution, which is nearest
    /// to libjpeg: on photographs half of the values are equal, most others off by one.
    /// </summary>
    /// <param name="list">File in the format of the concat demuxer.</param>
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

    // Timestamps of a camera as they come. The encoder of raw frames would hold one frame back per thread.
    private static readonly string[] s_liveOutput =
        [.. s_output, "-threads", "1", "-enc_time_base", "1:90000", "-bsf:v", s_exactTimes, "-f", "nut", "pipe:1"];

    /// <summary>
    /// Decodes a stream that is not RTSP. Its address comes as a script on <c>pipe:0</c> (<see cref="StreamScript"/>):
    /// addresses have passwords and keys, and every user of a machine can read command lines.
    /// </summary>
    public static IReadOnlyList<string> ForStream(StreamAddress address) =>
    [
        .. s_common, "-flags", "low_delay", "-analyzeduration", "500000", "-probesize", "200000",
        "-protocol_whitelist", "pipe," + address.Protocols, "-format_whitelist", "concat," + address.Formats,
        "-f", "concat", "-safe", "0", "-i", "pipe:0", .. s_liveOutput,
    ];

    /// <summary>Script of ffmpeg's concat demuxer that opens the address.</summary>
    public static string StreamScript(StreamAddress address, RtspOptions options)
    {
        var microseconds = ((long)options.ConnectTimeout.TotalMicroseconds).ToString(CultureInfo.InvariantCulture);
        List<(string Name, string Value)> settings = [("analyzeduration", "500000"), ("probesize", "200000")];
        if (address.Scheme == "srt") settings.Add(("connect_timeout", microseconds[..^3]));
        else settings.Add(("rw_timeout", microseconds));
        if (address.Scheme is "http" or "https")
        {
            settings.Add(("tls_verify", options.Tls.Verify ? "1" : "0"));
            if (options.Tls.Ca is { Length: > 0 } ca) settings.Add(("ca_file", Path.GetFullPath(ca)));
        }

        var lines = settings.Select(s => $"option {s.Name} {Quote(s.Value)}\n");
        return $"ffconcat version 1.0\nfile {Quote(address.Url)}\n{string.Concat(lines)}";
    }

    // Of ffmpeg's scripts.
    private static string Quote(string text) => $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>
    /// Decodes a camera with the least latency. Timestamps are the camera's own, without ffmpeg's guesses at wraps
    /// (<see cref="LiveClock"/> judges them); arrival times (<c>-use_wallclock_as_timestamps</c>) would put the
    /// network's jitter into media time. <c>-fflags nobuffer</c> would save nothing once the camera plays, and lose
    /// what was read to find the codec, which is the first key frame.
    /// </summary>
    /// <param name="url">Without login and TLS, which are the relay's.</param>
    public static IReadOnlyList<string> ForRtsp(string url, RtspTransport transport, TimeSpan connectTimeout)
    {
        var microseconds = ((long)connectTimeout.TotalMicroseconds).ToString(CultureInfo.InvariantCulture);

        // Costs nothing while packets come in order.
        string[] reorder = transport == RtspTransport.Udp ? ["-reorder_queue_size", "64", "-max_delay", "100000"] : [];
        return
        [
            .. s_common, "-flags", "low_delay", "-analyzeduration", "500000",
            "-probesize", "200000", "-correct_ts_overflow", "0",
            "-protocol_whitelist", transport == RtspTransport.Udp ? "tcp,rtp,udp" : "tcp",
            "-format_whitelist", "rtsp", "-f", "rtsp", "-allowed_media_types", "video",
            "-rtsp_transport", EnumName.Of(transport), .. reorder, "-timeout", microseconds, "-i", url, .. s_liveOutput,
        ];
    }
}
