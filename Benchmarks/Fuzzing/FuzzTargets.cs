using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Models;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Sinks.Mqtt.Commands;
using Dvis.Streaming.Sources.Decoding.Nut;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary>Every reader of files and streams that others write.
/// Owns a folder for those that read files; dispose it.</summary>
internal sealed class FuzzTargets : IDisposable
{
    // In memory where there is such a folder: millions of files are written.
    private readonly string _folder = Directory.CreateDirectory(
        Path.Combine(Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(),
            $"dvis-fuzz-{Environment.ProcessId}-{Interlocked.Increment(ref s_folders)}")).FullName;

    public FuzzTargets()
    {
        var map = new PngImage(2, 1, 3, [112, 17, 1, 0, 0, 0]);
        foreach (var name in (string[])["0", "1"])
            PngWriter.Write(Path.Combine(Directory.CreateDirectory(At("gt/v")).FullName, $"{name}.png"), map);
        Directory.CreateDirectory(At("Models/default"));
        File.WriteAllBytes(At("Models/default/manifest.json"), FuzzCorpus.Of("manifest")[0]);
        File.WriteAllBytes(At("a.mp4"), []);
        File.WriteAllBytes(At("reference.bin"), new byte[96]);
        File.WriteAllText(At("truth.json"),
            """
            {"videos": [{"id": 1, "width": 8, "height": 6, "length": 2}],
             "categories": [{"id": 1, "name": "a"}], "annotations": []}
            """);
        All =
        [
            new("onnx", Onnx, [typeof(ModelException)], []),
            new("manifest", Manifest, [typeof(ModelException)], ["\"segmenter\"", "{}", "[]", "null", "\\ud800",
                "\\u0000", "../", "/", "int8", "vps", "dvis", "matcher", "\"domain\""]),
            new("reference", Reference, [typeof(ModelException)],
                ["{}", "[]", "null", "1e999", "-1", "\\ud800", "\"shape\"", "\"tolerance\""]),
            new("config", Config, [typeof(ConfigException)], ["&a", "*a", "<<: *a", "!!binary", "- ", ": ", "{", "}",
                "[", "]", "|", ">", "\t", "#", "%YAML 1.1", "---", "...", "? ", "${HOME}", "${file:secret}",
                    "${file:/dev/zero}", "$$", "\"\\ud800\"", "\\x00", "cameras", "include", "null", "~", "1e400",
                        "99999999999h"])
                { Allowance = 64L << 20, AllowancePerByte = 65536 },
            new("rle", RunLength, [typeof(FormatException)], ["1 1\n", "32768 32768\n", "c\n", "j\n", "p\n", ";", ",",
                "-1", "1e5", "-1e5", "99999.5", "NaN", "0", "o"]),
            new("nut", Nut, [typeof(SourceException)], []),
            new("rtsp", Rtsp, [typeof(FormatException)], ["$\0\0\u0004", "\r\n", "\r\n\r\n", ": ",
                "RTSP/1.0 401 Unauthorized", "WWW-Authenticate: ", "Digest ", "Basic", "nonce=\"", "realm=",
                    "qop=\"auth\"", "algorithm=SHA-256", "-sess", "stale=true", "\\\"", "Content-Length: 70000",
                        "Content-Length: -1", "Transport: "]),
            new("png", Png, [typeof(FormatException)], ["IHDR", "PLTE", "IDAT", "IEND", "tEXt"])
                { Repair = PngRepair, AllowancePerByte = 20_000 },
            new("ytvis", Ytvis, [typeof(EvaluationException)], s_json),
            new("results", Results, [typeof(EvaluationException)], s_json),
            new("commands", CommandRead, [typeof(FormatException)], s_json),
            new("panoptic", Panoptic, [typeof(EvaluationException)],
                [.. s_json, "..", "/", "\\u0000", "0.png", "segments_info"]),
        ];
    }

    private static int s_folders;

    private static readonly string[] s_json = ["{}", "[]", "null", "true", "1e999", "-1", "\\ud800", "\"counts\"",
        "\"size\"", "[0, 48]", "[[0, 0, 1e5, 1e5, -1e5, 0]]", "\"segmentations\"", "32768", "1000000", "\"length\""];

    public IReadOnlyList<FuzzTarget> All { get; }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    private string Write(string name, byte[] input)
    {
        File.WriteAllBytes(At(name), input);
        return At(name);
    }

    private static void Expect(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException($"was read, but {what}");
    }

    private void Onnx(byte[] input)
    {
        var file = OnnxFile.Read(Write("model.onnx", input));
        Expect(file.Parameters >= 0, "has fewer than no weights");
    }

    private void Manifest(byte[] input)
    {
        Write("manifest.json", input);
        var folder = ModelFolder.Open(_folder);
        foreach (var (graph, files) in folder.Manifest.Files)
        {
            Expect(
                files.Values.All(f => Path.GetFullPath(Path.Combine(_folder, f.Path))
                    .StartsWith(_folder + "/", StringComparison.Ordinal)), "a file lies outside of the folder");
            foreach (var precision in files.Keys) Try(() => folder.File(graph, precision));
        }

        static void Try(Action open)
        {
            try
            {
                open();
            }
            catch (ModelException)
            {
                // The files are not there.
            }
        }
    }

    private void Reference(byte[] input)
    {
        Write("reference.json", input);
        var answers = ReferenceAnswers.Open(_folder);
        if (answers is null || !answers.Has("tracker")) return;
        using var model = new Echo();
        answers.Compare("tracker", model, null);
    }

    private void Config(byte[] input)
    {
        var path = Write("config.yaml", input);
        var environment = new Dictionary<string, string> { ["HOME"] = "/root" };
        var config = new ConfigLoader(environment, []).Load(path);
        Expect(config.Options.Cameras.Count > 0, "there is no camera");
    }

    /// <summary>First line: width and height; second: c (compressed), j (counts),
    /// p (polygons); then what it says.</summary>
    private static void RunLength(byte[] input)
    {
        var lines = Encoding.Latin1.GetString(input).Split('\n', 3);
        if (lines.Length < 3 || lines[0].Split(' ') is not [var w, var h]
            || !int.TryParse(w, CultureInfo.InvariantCulture, out var width)
            || !int.TryParse(h, CultureInfo.InvariantCulture, out var height)) return;
        var mask = lines[1] switch
        {
            "c" => CompressedRuns.Decode(width, height, lines[2]),
            "p" => PolygonMask.Rasterize(width, height, [.. lines[2].Split(';').Select(p => Numbers(p).ToArray())]),
            _ => RunLengths.FromCounts(width, height, [.. Numbers(lines[2]).Select(n => (int)n)]),
        };
        var cells = (long)width * height;
        Expect(mask.Area >= 0 && mask.Area <= cells, $"{mask.Area} of {cells} cells are set");
        Expect(RunLengths.Overlap(mask, mask) == mask.Area, "it does not overlap with itself");
        var (x, y, across, down) = mask.Bounds();
        Expect(x >= 0 && y >= 0 && across >= 0 && down >= 0 && x + across <= width
            && y + down <= height, "its bounds are outside");
        var again = CompressedRuns.Decode(width, height, CompressedRuns.Encode(mask));
        Expect(again.Counts.SequenceEqual(mask.Counts), "it is another after packing and unpacking");
        if (cells > 1 << 20) return;
        var bitmap = new byte[cells];
        RunLengths.Decode(mask, bitmap);
        Expect(bitmap.Sum(b => (long)b) == mask.Area, "its bitmap has another area");
        Expect(RunLengths.IoU(RunLengths.Encode(width, height, bitmap), mask) == (mask.Area > 0 ? 1 : 0),
            "its bitmap is another mask");
    }

    private static IEnumerable<double> Numbers(string list)
        => list.Split(',').Select(t => double.TryParse(t, CultureInfo.InvariantCulture, out var n) ? n : 0);

    private static void Nut(byte[] input)
    {
        var reader = new NutReader(new MemoryStream(input));
        var buffer = new byte[4096];
        var last = long.MinValue;
        // Everything completes at once: the stream lies in memory.
        while (reader.ReadHeaderAsync(default).AsTask().GetAwaiter().GetResult() is { } frame)
        {
            Expect(frame.Bytes > 0 && reader.Video is { Width: > 0, Height: > 0 }, "a picture has no size");
            last = Math.Max(last, frame.Pts);
            while (reader.Remaining > 0)
                reader.ReadPayloadAsync(buffer.AsMemory(0, Math.Min(buffer.Length, reader.Remaining)), default).AsTask()
                    .GetAwaiter().GetResult();
        }
    }

    private static string Rtsp(byte[] input)
    {
        var way = new StringBuilder();
        var reader = new RtspReader(new MemoryStream(input));
        var login = new RtspLogin("user", "password");
        var reports = new SenderReports(TimeSpan.FromSeconds(2), new StoppedTime());
        var now = DateTimeOffset.UnixEpoch.AddYears(56);
        reports.Follow(0);
        reports.Answered(TimeSpan.FromMilliseconds(1));
        var at = 0;
        while (reader.ReadAsync(default).AsTask().GetAwaiter().GetResult() is { IsEmpty: false } unit)
        {
            Expect(unit.Span.SequenceEqual(input.AsSpan(at, unit.Length)), "a unit is not what came");
            at += unit.Length;
            if (way.Length < 20) way.Append(reader.Unit.ToString()[0]);
            if (reader.Unit == RtspUnit.Noise) continue;
            if (reader.Unit == RtspUnit.Data)
            {
                reports.Received(unit.Span);
                var capture = reports.At(900_000_000 - SenderReports.Origin, receivedTicks: 0, now);
                Expect(capture is null or { ErrorMs: >= 0 and < double.PositiveInfinity, Synced: true },
                    "an error without a bound");
                if (capture is not null && way.Length < 40) way.Append('+');
                continue;
            }

            var message = RtspMessage.Parse(unit.Span);
            // Ends of lines and folded headers are made regular once; what is written is read as the same.
            var written = message.ToBytes();
            Expect(RtspMessage.Next(written) == (RtspUnit.Message, written.Length),
                "a message is not one message after reading and writing");
            Expect(RtspMessage.Parse(written).ToBytes().AsSpan().SequenceEqual(written),
                "a message is another after reading and writing");
            if (message.Status == 401 && login.Take(message.Values("WWW-Authenticate"), answered: false))
            {
                var answer = login.Answer("PLAY", "rtsp://camera/1") ?? "";
                Expect(answer.Length > 0 && !answer.AsSpan().ContainsAnyInRange('\0', '\x1f'), "an answer is no line");
                way.Append(answer.Count('=')); // its parts
            }
        }

        return way.ToString();
    }

    private static void Png(byte[] input)
    {
        var image = PngReader.Decode(input);
        Expect(image.Pixels.Length == image.Width * image.Height * image.Channels, "it has another number of pixels");
        var again = PngReader.Decode(PngWriter.Encode(image, CompressionLevel.Fastest));
        Expect(again.Pixels.AsSpan().SequenceEqual(image.Pixels), "it is another after writing and reading");
    }

    private void Ytvis(byte[] input)
    {
        using var truth = YtvisTruth.Open(Write("ytvis.json", input));
        foreach (var video in truth.Videos) truth.Objects(video);
    }

    private void Results(byte[] input)
    {
        using var truth = YtvisTruth.Open(At("truth.json"));
        using var results = YtvisResults.Open(Write("results.json", input), truth);
        foreach (var video in truth.Videos) results.Of(video);
    }

    private static void CommandRead(byte[] input) => CommandListener.CheckPayload(input);

    private void Panoptic(byte[] input)
    {
        using var truth = VipsegTruth.Open(Write("panoptic_gt.json", input), At("gt"));
        foreach (var video in truth.Videos)
            foreach (var frame in truth.Frames(video))
                Expect(frame.Ids.Length == frame.Width * frame.Height, "a map has another number of pixels");
    }

    /// <summary>PNG whose image data is packed again, in the length that its size requires, with the right
    /// checksums.</summary>
    private static byte[] PngRepair(byte[] input)
    {
        var png = Repack(input);
        for (var at = 8; at + 12 <= png.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(at));
            if (length > png.Length - at - 12) break;
            BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(at + 8 + (int)length),
                PngWriter.Crc(png.AsSpan(at + 4, (int)length + 4)));
            at += 12 + (int)length;
        }

        return png;
    }

    private static byte[] Repack(byte[] png)
    {
        var data = png.AsSpan().IndexOf("IDAT"u8);
        if (data < 33 || BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(data - 4)) is var length
            && length > png.Length - data - 8) return [.. png];
        long width = BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(16)),
            height = BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(20));
        if (width > 1 << 15 || height > 1 << 15) return [.. png];
        var channels = png[25] switch { 2 => 3, 4 => 2, 6 => 4, _ => 1 };
        var size = Math.Min(1 << 16, ((width * channels * png[24] + 7) / 8 + 1) * height);
        var rows = new byte[size];
        try
        {
            using var unpacking =
                new ZLibStream(new MemoryStream(png, data + 4, (int)length), CompressionMode.Decompress);
            for (var read = 1; read > 0 && size > 0; size -= read)
                read = unpacking.Read(rows, rows.Length - (int)size, (int)size);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            // The rest stays 0.
        }

        using var packed = new MemoryStream();
        using (var packing = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true)) packing.Write(rows);
        var head = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(head, (int)packed.Length);
        return [.. png.AsSpan(0, data - 4), .. head, .. "IDAT"u8, .. packed.ToArray(),
            .. png.AsSpan(data + 4 + (int)length)];
    }

    /// <summary>Stands for a graph with one input and one output of any shape.</summary>
    private sealed class Echo : IModel
    {
        public string Name => "tracker";

        public IReadOnlyList<TensorSpec> Inputs { get; } = [new("frame_embeds", [-1])];

        public IReadOnlyList<TensorSpec> Outputs { get; } = [new("logits", [-1])];

        public void Run(ReadOnlySpan<Tensor> inputs, ReadOnlySpan<Tensor> outputs) => outputs[0].Span.Clear();

        public void Dispose()
        {
        }
    }

    private sealed class StoppedTime : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
