using System.Collections.Concurrent;
using System.Diagnostics;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Encoded frames as a camera sends them; skips the test without ffmpeg.</summary>
/// <param name="Codec">Name in SDP.</param>
/// <param name="Pictures">For each frame its packets: NAL units without start codes, or the whole frame.</param>
internal sealed record EncodedPictures(string Codec, IReadOnlyList<IReadOnlyList<byte[]>> Pictures)
{
    private static readonly ConcurrentDictionary<(string, string), Task<EncodedPictures>> s_made = new();

    public static Task<EncodedPictures> H264Async(string size = "64x48") =>
        s_made.GetOrAdd(("H264", size), static key => EncodeH264Async(key.Item2));

    public static Task<EncodedPictures> Mpeg4Async(string size = "64x48") =>
        s_made.GetOrAdd(("MP4V-ES", size), static key => EncodeMpeg4Async(key.Item2));

    /// <summary>12 s: one key frame and 299 frames that need it.</summary>
    /// <param name="codec">H264, H265, MP4V-ES or VP8.</param>
    public static Task<EncodedPictures> GopAsync(string codec) => codec switch
    {
        "H264" => EncodeH264Async("64x48", LongGop),
        "H265" => EncodeH265Async(LongGop),
        "MP4V-ES" => EncodeMpeg4Async("64x48", LongGop),
        "VP8" => EncodeVp8Async(LongGop),
        _ => throw new ArgumentOutOfRangeException(nameof(codec)),
    };

    private const int LongGop = 300;

    private static async Task<EncodedPictures> EncodeH264Async(string size, int gop = 1)
    {
        // aud: a delimiter (NAL type 9) begins each frame; repeat-headers: each key frame has its parameters.
        var stream = await EncodeAsync(size, gop, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency",
            "-x264-params",
            $"keyint={gop}:min-keyint={gop}:scenecut=0:sliced-threads=0:threads=1:repeat-headers=1:aud=1",
            "-f", "h264");
        return new EncodedPictures("H264", Units(stream, unit => unit[0] & 31, delimiter: 9, remark: 6));
    }

    private static async Task<EncodedPictures> EncodeH265Async(int gop)
    {
        var stream = await EncodeAsync("64x48", gop, "-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency",
            "-x265-params",
            $"keyint={gop}:min-keyint={gop}:scenecut=0:repeat-headers=1:aud=1:log-level=none", "-f", "hevc");
        return new EncodedPictures("H265", Units(stream, unit => (unit[0] >> 1) & 63, delimiter: 35, remark: 39));
    }

    // NAL units by frames, without the encoder's remarks.
    private static List<List<byte[]>> Units(byte[] stream, Func<byte[], int> typeOf, int delimiter, int remark)
    {
        var pictures = new List<List<byte[]>>();
        foreach (var unit in Split(stream, (data, i) => data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1, 3))
        {
            if (typeOf(unit) == delimiter) pictures.Add([]);
            else if (typeOf(unit) != remark) pictures[^1].Add(unit);
        }

        return pictures;
    }

    private static async Task<EncodedPictures> EncodeVp8Async(int gop)
    {
        var stream = await EncodeAsync("64x48", gop, "-c:v", "libvpx", "-deadline", "realtime", "-g", $"{gop}",
            "-auto-alt-ref", "0", "-lag-in-frames", "0", "-f", "ivf");
        var pictures = new List<byte[][]>();
        // After the file header; 12 bytes before each frame begin with its length.
        for (var at = 32; at < stream.Length;)
        {
            var length = BitConverter.ToInt32(stream, at);
            pictures.Add([[0x10, .. stream.AsSpan(at + 12, length)]]); // RFC 7741: a partition begins
            at += 12 + length;
        }

        return new EncodedPictures("VP8", pictures);
    }

    private static async Task<EncodedPictures> EncodeMpeg4Async(string size, int gop = 1)
    {
        var stream = await EncodeAsync(size, gop, "-c:v", "mpeg4", "-g", $"{gop}", "-q:v", "20", "-f", "m4v");
        // Headers (visual object sequence or layer) come once: they are added to every frame.
        var parts = Split(stream, (data, i) =>
            data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1 && data[i + 3] == 0xB6, 0).ToList();
        var headers = stream.AsSpan(0, stream.Length - parts.Sum(p => p.Length)).ToArray();
        return new EncodedPictures("MP4V-ES", [.. parts.Select(p => (IReadOnlyList<byte[]>)[[.. headers, .. p]])]);
    }

    private static IEnumerable<byte[]> Split(byte[] data, Func<byte[], int, bool> begins, int mark)
    {
        var starts = Enumerable.Range(0, data.Length - 4).Where(i => begins(data, i)).Append(data.Length).ToList();
        for (var i = 0; i + 1 < starts.Count; i++)
        {
            var end = starts[i + 1];
            // A start code of four bytes begins with a zero that belongs to neither unit.
            while (mark > 0 && end > starts[i] + mark && data[end - 1] == 0) end--;
            yield return data[(starts[i] + mark)..end];
        }
    }

    private static async Task<byte[]> EncodeAsync(string size, int gop, params string[] arguments)
    {
        var start = new ProcessStartInfo("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i",
            $"testsrc=size={size}:rate=25", "-frames:v", $"{Math.Max(gop, 25)}",
            "-pix_fmt", "yuv420p", .. arguments, "pipe:1"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process? process = null;
        try
        {
            process = Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("There is no ffmpeg.");
        }

        using var encoder = process!;
        var messages = encoder.StandardError.ReadToEndAsync();
        using var output = new MemoryStream();
        await encoder.StandardOutput.BaseStream.CopyToAsync(output);
        await encoder.WaitForExitAsync();
        Assert.True(encoder.ExitCode == 0, await messages);
        return output.ToArray();
    }
}
