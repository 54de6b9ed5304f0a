using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>Graphs of eight and of sixteen bits behind float32 inputs and outputs,
/// and the choice among a model's files.</summary>
public sealed class PrecisionTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void Run_Int8Graph_IsTheQuantisedProduct()
    {
        // x in steps of 1/8 from -16 to 15.875; the columns of W in steps of 1/4 and of 1/2.
        using var sut = TinyDvis.Load(Int8Product());
        using Tensor x = new(2, 2), y = new(2, 2);
        float[] input = [1.5f, -2, 0.13f, 100];
        input.CopyTo(x.Span);

        sut.Run([x], [y]);

        // W = [[2, -1], [-0.5, 3]]; 0.13 rounds to 0.125 and 100 saturates at 15.875.
        Assert.Equal([1.5f * 2 + 2 * 0.5f, -1.5f - 2 * 3, 0.125f * 2 - 15.875f * 0.5f, -0.125f + 15.875f * 3],
            y.Span.ToArray());
    }

    [Fact]
    public void Run_Float16Graph_HasSixteenBitWeights()
    {
        var half = new byte[2];
        BinaryPrimitives.WriteHalfLittleEndian(half, (Half)0.1f);
        using var sut = TinyDvis.Load(new Onnx().Input("x", -1).Output("y", -1).Constant("tenth", 10, [1], half)
            .Node("Cast", ["x"], "x16", ("to", [10])).Node("Mul", ["x16", "tenth"], "y16")
            .Node("Cast", ["y16"], "y", ("to", [1])));
        using Tensor x = new(3), y = new(3);
        // Powers of two: the product has the weight's bits,
        // whether the provider multiplies in 16 bits or, as the CPU's does, in 32.
        float[] input = [1, 0.5f, -4];
        input.CopyTo(x.Span);

        sut.Run([x], [y]);

        var tenth = (float)(Half)0.1f;
        Assert.NotEqual(0.1f, tenth);
        Assert.Equal([tenth, tenth / 2, tenth * -4], y.Span.ToArray());
    }

    [Fact]
    public void Load_PrecisionOfSomeGraphs_TakesFp32ForTheOthersAndSaysSo()
    {
        TinyDvis.Write(_temp.Root, manifest => Add(manifest, "tracker", "int8"));
        var log = new CollectingLogger();

        using var sut =
            ModelGraphs.Load(new ModelOptions { Path = _temp.Root, Precision = "int8" }, TinyDvis.Runtime, log);

        Assert.Equal(_temp.Path("tracker.int8.onnx"), sut[MethodContract.Tracker].Name);
        Assert.Equal(_temp.Path("segmenter.onnx"), sut.Segmenter.Name);
        Assert.Contains(new(LogLevel.Information, 2103,
            "Model tiny has no int8 file of segmenter, frame_forward, refiner: fp32 there."), log.Entries);
    }

    [Fact]
    public void Load_PrecisionOfAllGraphs_SaysNothing()
    {
        TinyDvis.Write(_temp.Root, manifest =>
            Array.ForEach(["segmenter", "tracker", "frame_forward", "refiner"], graph => Add(manifest, graph, "fp16")));
        var log = new CollectingLogger();
        using var sut =
            ModelGraphs.Load(new ModelOptions { Path = _temp.Root, Precision = "fp16" }, TinyDvis.Runtime, log);
        Assert.Equal(_temp.Path("segmenter.fp16.onnx"), sut.Segmenter.Name);
        Assert.DoesNotContain(log.Entries, entry => entry.Id == 2103);
    }

    [Fact]
    public void Load_PrecisionOfSomeGraphsIsTheModelsOwn_SaysNothing()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            Add(manifest, "tracker", "int8");
            manifest["precision"] = "int8";
        });
        var log = new CollectingLogger();

        using var sut = ModelGraphs.Load(new ModelOptions { Path = _temp.Root }, TinyDvis.Runtime, log);

        Assert.Equal(_temp.Path("tracker.int8.onnx"), sut[MethodContract.Tracker].Name);
        Assert.DoesNotContain(log.Entries, entry => entry.Id == 2103);
    }

    [Fact]
    public void Load_PrecisionOfNoGraph_SaysWhichThereAre()
    {
        TinyDvis.Write(_temp.Root, manifest => Add(manifest, "tracker", "int8"));
        Assert.Equal(
            $"{_temp.Root}: the model has no fp16 file of any graph, only fp32, int8; correct model.precision.",
            Refusal("fp16"));
    }

    [Fact]
    public void Load_GraphWithNeitherThePrecisionNorFp32_NamesTheGraph()
    {
        TinyDvis.Write(_temp.Root, manifest =>
        {
            Add(manifest, "segmenter", "int8");
            manifest["files"]!["segmenter"]!.AsObject().Remove("fp32");
            Add(manifest, "tracker", "fp16");
        });
        Assert.Equal($"{_temp.Root}: the model has no fp32 file of segmenter, only int8; correct model.precision.",
            Refusal("fp16"));
    }

    private static Onnx Int8Product() => new Onnx().Input("x", -1, 2).Output("y", -1, 2)
        .Constant("x_scale", [], 0.125f).Constant("x_zero", 2, [], [128])
        .Constant("w8", 3, [2, 2], [8, unchecked((byte)-2), unchecked((byte)-2), 6])
        .Constant("w_scale", [2], 0.25f, 0.5f).Constant("w_zero", 3, [2], [0, 0])
        .Node("QuantizeLinear", ["x", "x_scale", "x_zero"], "x8")
        .Node("DequantizeLinear", ["x8", "x_scale", "x_zero"], "xq")
        .Node("DequantizeLinear", ["w8", "w_scale", "w_zero"], "w", ("axis", [1]))
        .Node("MatMul", ["xq", "w"], "y");

    /// <summary>The same graph once more, as a file of another precision.</summary>
    private void Add(JsonObject manifest, string graph, string precision)
    {
        var path = $"{graph}.{precision}.onnx";
        File.Copy(_temp.Path($"{graph}.onnx"), _temp.Path(path));
        manifest["files"]![graph]![precision] = new JsonObject
        {
            ["path"] = path,
            ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_temp.Path(path))))
        };
    }

    private string Refusal(string precision)
    {
        return Assert.Throws<ModelException>(() =>
            ModelGraphs.Load(new ModelOptions { Path = _temp.Root, Precision = precision }, TinyDvis.Runtime,
                NullLogger.Instance)).Message;
    }
}
