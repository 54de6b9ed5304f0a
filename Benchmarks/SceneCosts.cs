using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Sinks.Payloads;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// What a panoptic and a semantic frame cost after the graphs, at the sizes of VIPSeg and VSPW (100 queries, 124
/// classes, 720p, 480 lines in the network), and how far the live semantic rule is from the official one. Masks are
/// rendered: a picture cut into cells with soft borders, one query each, and as many queries without an object as are
/// left.
/// </summary>
internal sealed class SceneCosts : IDisposable
{
    private const int Queries = 100, Classes = 124, Channels = 256, Stride = 4, Regions = 24, Things = 58;

    private static readonly InputGeometry s_input =
        InputGeometry.For(1280, 720, new InputRule(480, 1333, 32, [0, 0, 0], [1, 1, 1], "rgb"), Stride);

    private readonly Random _random = new(1);
    private readonly Tensor _features = new(1, Channels, s_input.MaskHeight, s_input.MaskWidth);
    private readonly float[] _embeds = new float[Queries * Channels];
    private readonly float[] _logits;

    public SceneCosts()
    {
        var cells = s_input.MaskWidth * s_input.MaskHeight;
        _logits = new float[Queries * cells];
        Render();
        // Feature q is mask q, so that the product with the embeddings gives the rendered masks;
        // the other channels cost what they cost.
        _logits.CopyTo(_features.Span);
        for (var q = 0; q < Queries; q++) _embeds[q * Channels + q] = 1;
    }

    /// <param name="rounds">Each figure is the median of so many.</param>
    public void Run(int rounds)
    {
        Console.WriteLine(
            $"1280x720, network {s_input.PaddedWidth}x{s_input.PaddedHeight}, {Queries} queries, {Classes} classes, "
            + $"{Regions} of the queries sure, one thread; processor ms a frame, medians of {rounds}");
        foreach (var grid in (int[])[4, 1])
        {
            Panoptic(grid, rounds);
            Semantic(grid, rounds, "sure", Probabilities(sure: true));
            Semantic(grid, rounds, "doubtful", Probabilities(sure: false));
        }
    }

    public void Dispose()
    {
        _features.Dispose();
    }

    private void Panoptic(int grid, int rounds)
    {
        var camera = Camera(ModelTask.Vps, grid);
        var (masks, builder, geometry) =
            (new MaskReader(Channels, contours: false), new SceneBuilder(camera), MaskReader.GeometryOf(s_input, grid));
        int[] wanted = [.. Enumerable.Range(0, Regions)];
        List<Claim> claims =
            [.. wanted.Select(q => new Claim(q, Class(q), 0.95f, Class(q) < Things, Class(q) < Things ? q + 1 : null))];
        Scene? scene = null;
        var load = Median(rounds, () => masks.Load(_embeds, _features, wanted, geometry));
        var merge = Median(rounds, () => scene = builder.Panoptic(masks, claims, geometry));
        Console.WriteLine(
            $"vps grid {grid}: masks {load:0.0}, competition and masks of {builder.Things.Count} things and "
            + $"{scene!.Regions.Length} stuff {merge:0.0}; {Encoding(ModelTask.Vps, scene, rounds)}");
    }

    private void Semantic(int grid, int rounds, string kind, float[] probabilities)
    {
        var camera = Camera(ModelTask.Vss, grid);
        var (masks, builder, geometry) =
            (new MaskReader(Channels, contours: false), new SceneBuilder(camera), MaskReader.GeometryOf(s_input, grid));
        Scene? scene = null;
        int[] wanted = [.. builder.Weigh(probabilities)];
        var load = Median(rounds, () => masks.Load(_embeds, _features, wanted, geometry, bits: false));
        var label = Median(rounds, () => scene = builder.Semantic(masks, geometry));
        Console.WriteLine(
            $"vss grid {grid}, {kind}: masks of {wanted.Length} queries {load:0.0}, sums and classes "
            + $"{label:0.0}, {scene!.Regions.Length} classes; {Encoding(ModelTask.Vss, scene, rounds)}; as the "
                + $"official rule in {Agreement(probabilities, scene.Map!, geometry):0.000 %} of the pixels");
    }

    /// <summary>Cost and size of the map's messages.</summary>
    private static string Encoding(ModelTask task, Scene scene, int rounds)
    {
        var encoder = new MapEncoder(Context(task));
        var result = new ProvisionalResult(
            new("bench", 1, 0, 0, new(1, 90000), 0, default, new(DateTimeOffset.UnixEpoch,
                Pipeline.Frames.ClockSource.Synthetic, 0, 0, true), 1280, 720), "", [], -1, 0, new())
        { Scene = scene };
        var text = new List<string>();
        foreach (var map in (MapOutput[])[MapOutput.Runs, MapOutput.Png])
        {
            long bytes = 0;
            var ms = Median(rounds, () =>
            {
                bytes = 0;
                encoder.Encode(result, new PublishOptions { Map = map }, 65536, payload => bytes += payload.Length);
            });
            text.Add($"{EnumName.Of(map)} {ms:0.0} ms, {bytes / 1024.0:0.0} KiB");
        }

        return string.Join(", ", text);
    }

    /// <summary>Share of pixels with the class of the official order:
    /// every query upsampled to the output, all products summed.</summary>
    private double Agreement(float[] probabilities, SegmentMap map, in MaskGeometry geometry)
    {
        var upsampler = new ProbabilityUpsampler(Stride);
        upsampler.Prepare(geometry);
        var (cells, width) = (geometry.GridWidth * geometry.GridHeight, geometry.MaskWidth);
        var live = new int[width * geometry.MaskHeight];
        for (int i = 0, at = 0; i < map.Runs.Length; i += 2)
            for (var end = at + map.Runs[i + 1]; at < end; at++)
                live[at % map.Height * width + at / map.Height] = map.Runs[i] - 1;
        var (low, high, row) = (new float[upsampler.InputWidth], new float[upsampler.InputWidth], new float[width]);
        var (sums, same) = (new float[Classes * width], 0L);
        for (var y = 0; y < geometry.MaskHeight; y++)
        {
            Array.Clear(sums);
            for (var q = 0; q < Queries; q++)
            {
                var (a, b) = upsampler.RowsOf(y);
                upsampler.InputRow(_logits.AsSpan(q * cells, cells), a, low);
                upsampler.InputRow(_logits.AsSpan(q * cells, cells), b, high);
                upsampler.OutputRow(low, high, y, row);
                for (var c = 0; c < Classes; c++)
                    TensorPrimitives.MultiplyAdd(row, probabilities[q * (Classes + 1) + c],
                        sums.AsSpan(c * width, width), sums.AsSpan(c * width, width));
            }

            for (var x = 0; x < width; x++)
            {
                var best = 0;
                for (var c = 1; c < Classes; c++)
                    if (sums[c * width + x] > sums[best * width + x]) best = c;
                if (best == live[y * width + x]) same++;
            }
        }

        return same / (double)live.Length;
    }

    /// <summary>Softmax of class logits: sure queries of one class each, the others of "no object"; or,
    /// doubtful, hardly more than noise.</summary>
    private float[] Probabilities(bool sure)
    {
        var probabilities = new float[Queries * (Classes + 1)];
        for (var q = 0; q < Queries; q++)
        {
            var row = probabilities.AsSpan(q * (Classes + 1), Classes + 1);
            foreach (ref var value in row) value = _random.NextSingle() * 4;
            if (sure) row[q < Regions ? Class(q) : Classes] += 8;
            TensorPrimitives.SoftMax(row, row);
        }

        return probabilities;
    }

    private static int Class(int query) => query * 37 % Classes;

    private void Render()
    {
        var (width, height) = (s_input.MaskWidth, s_input.MaskHeight);
        var sites = Enumerable.Range(0, Queries)
            .Select(_ => (X: _random.NextDouble() * width, Y: _random.NextDouble() * height)).ToArray();
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                // Nearer to a query's own site than to any other's: how much, in cells, is its logit.
                var near = double.MaxValue;
                var second = double.MaxValue;
                for (var q = 0; q < Regions; q++)
                {
                    var d = Distance(q, x, y);
                    (near, second) = d < near ? (d, near) : (near, Math.Min(second, d));
                }

                for (var q = 0; q < Queries; q++)
                {
                    var d = Distance(q, x, y);
                    var margin = q >= Regions ? 10 - d : (d == near ? second : near) - d;
                    _logits[q * width * height + y * width + x] =
                        (float)Math.Clamp(margin + _random.NextDouble() - 0.5, -12, 12);
                }
            }
        }

        double Distance(int q, int x, int y) =>
            Math.Sqrt((sites[q].X - x) * (sites[q].X - x) + (sites[q].Y - y) * (sites[q].Y - y))
            + 2 * Math.Sin(x * 0.3 + q);
    }

    private static CameraSettings Camera(ModelTask task, int grid)
    {
        var manifest = new ModelManifest
        {
            Name = "bench",
            Version = "1",
            Task = task,
            Classes = ClassLabels(),
            Queries = Queries,
            HiddenSize = 256,
            MaskChannels = Channels,
            MaskStride = Stride,
            Matching = MatchingRule.Dvis,
            Input = new InputRule(480, 1333, 32, [0, 0, 0], [1, 1, 1], "rgb"),
            RefinerMaxWindow = 1,
            Files = new Dictionary<string, IReadOnlyDictionary<string, ModelFile>>(),
            License = "MIT",
            WeightsFrom = "none",
        };
        return new CameraSettings(manifest) { Publish = new PublishOptions { MaskGrid = grid } };
    }

    private static ClassLabel[] ClassLabels() => [.. Enumerable.Range(0, Classes)
        .Select(c => new ClassLabel(c, $"class {c}", c < Things ? "thing" : "stuff", "#808080"))];

    private static SinkContext Context(ModelTask task) =>
        new("bench", "", "0", "", 0, new("bench", "1", task, "bench/1", ClassLabels(), []), [new("bench", new())]);

    private static double Median(int rounds, Action run)
    {
        run();
        var times = new List<double>();
        for (var i = 0; i < rounds; i++)
        {
            // Processor time: others may use the machine, too.
            var start = Environment.CpuUsage.TotalTime;
            run();
            times.Add((Environment.CpuUsage.TotalTime - start).TotalMilliseconds);
        }

        return times.Order().ElementAt(rounds / 2);
    }
}
