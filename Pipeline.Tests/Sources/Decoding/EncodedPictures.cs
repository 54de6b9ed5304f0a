using System.Collections.Concurrent;
using System.Diagnostics;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

/// <summary>Encoded frames, each decodable by itself, as a camera sends them; skips the test without ffmpeg.</summary>
/// <param name="Codec">Name in SDP: <c>H264</c> or <c>MP4V-ES</c>.</param>
/// <param name="Pictures">For each frame its packets: NAL units without start codes, or the whole frame.</param>
internal sealed record EncodedPictures(string Codec, IReadOnlyList<IReadOnlyList<byte[]>> Pictures)
{
    private static readonly ConcurrentDictionary<(string, string), Task<EncodedPictures>> s_made = new();

    public static Task<EncodedPictures> H264Async(string size = "64x48") =>
        s_made.GetOrAdd(("H264", size), static key => EncodeH264Async(key.Item2));

    public static Task<EncodedPictures> Mpeg4Async(string size = "64x48") =>
        s_made.GetOrAdd(("MP4V-ES", size), static key => EncodeMpeg4Async(key.Item2));

    private static async Task<EncodedPictures> EncodeH264Async(string size)
    {
        // aud: a delimiter (NAL type 9) begins each frame; repeat-headers: each has its parameters.
        var stream = await EncodeAsync(size, "-c:v", "libx264", "-preset", "ultrafast", "-x264-params",
            "keyint=1:sliced-threads=0:threads=1:repeat-headers=1:aud=1", "-f", "h264");
        var pictures = new List<List<byte[]>>();
        foreach (var unit in Split(stream, (data, i) => data[i] == 0 && data[i + 1] == 0 && data[i + 2] == 1, 3))
        {
            var type = unit[0] & 31;
            if (type == 9) pictures.Add([]);
            else if (type != 6) pictures[^1].Add(unit); // without x264's own message
        }

        return new EncodedPictures("H264", pictures);
    }

    private static async Task<EncodedPictures> EncodeMpeg4Async(string size)
    {
        var stream = await EncodeAsync(size, "-c:v", "mpeg4", "-g", "1", "-q:v", "20", "-f", "m4v");
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

    private static async Task<byte[]> EncodeAsync(string size, params string[] arguments)
    {
        var start = new ProcessStartInfo("ffmpeg", ["-nostdin", "-v", "error", "-f", "lavfi", "-i",
            $"testsrc=size={size}:rate=25", "-frames:v", "25", "-pix_fmt", "yuv420p", .. arguments, "pipe:1"])
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
