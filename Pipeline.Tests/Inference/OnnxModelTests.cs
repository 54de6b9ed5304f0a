using System.Text;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

public sealed class OnnxModelTests
{
    private static Onnx Sum() =>
        new Onnx().Input("a", -1, 3).Input("b", -1, 3).Output("sum", -1, 3).Node("Add", ["a", "b"], "sum");

    [Fact]
    public void Load_Graph_TellsNamesAndShapes()
    {
        using var sut = TinyDvis.Load(Sum(), "sum.onnx");
        Assert.Equal("sum.onnx", sut.Name);
        Assert.Equal(["a [?,3]", "b [?,3]"], sut.Inputs.Select(i => i.ToString()));
        Assert.Equal(["sum [?,3]"], sut.Outputs.Select(i => i.ToString()));
        Assert.Equal("cpu", sut.Provider);
    }

    [Fact]
    public void Run_DynamicSides_WritesTheCallersMemory()
    {
        using var sut = TinyDvis.Load(Sum());
        foreach (var rows in new[] { 1, 4, 2 })
        {
            using Tensor a = new(rows, 3), b = new(rows, 3), sum = new(rows, 3);
            for (var i = 0; i < a.Length; i++) (a.Span[i], b.Span[i]) = (i, 10 * i);
            sut.Run([a, b], [sum]);
            Assert.Equal(Enumerable.Range(0, rows * 3).Select(i => 11f * i), sum.Span.ToArray());
        }
    }

    [Fact]
    public void Run_WrongInputShape_NamesModelTensorAndBothShapes()
    {
        using var sut = TinyDvis.Load(Sum(), "sum.onnx");
        using Tensor a = new(2, 3), b = new(2, 4), sum = new(2, 3);
        var e = Assert.Throws<ModelException>(() => sut.Run([a, b], [sum]));
        Assert.Equal("sum.onnx: input b has shape [2,4], the graph has [?,3].", e.Message);
    }

    [Fact]
    public void Run_WrongOutputShape_NamesModelTensorAndBothShapes()
    {
        using var sut = TinyDvis.Load(Sum(), "sum.onnx");
        using Tensor a = new(2, 3), b = new(2, 3), sum = new(2, 3, 1);
        var e = Assert.Throws<ModelException>(() => sut.Run([a, b], [sum]));
        Assert.Equal("sum.onnx: output sum has shape [2,3,1], the graph has [?,3].", e.Message);
    }

    [Fact]
    public void Run_OutputOfAnotherLength_FailsWithTheRuntimesWords()
    {
        using var sut = TinyDvis.Load(Sum(), "sum.onnx");
        using Tensor a = new(2, 3), b = new(2, 3), sum = new(5, 3);
        var e = Assert.Throws<ModelException>(() => sut.Run([a, b], [sum]));
        Assert.StartsWith("sum.onnx: the run failed: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("5", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_MissingTensor_SaysHowManyTheGraphHas()
    {
        using var sut = TinyDvis.Load(Sum(), "sum.onnx");
        using Tensor a = new(2, 3), sum = new(2, 3);
        Assert.Equal("sum.onnx: 1 input tensors were given, the graph has 2.",
            Assert.Throws<ModelException>(() => sut.Run([a], [sum])).Message);
    }

    [Fact]
    public void Load_DoubleTensors_Refuses()
        => Assert.Equal("tiny.onnx: a is not a float32 tensor (ONNX type Double).",
            Assert.Throws<ModelException>(() =>
                TinyDvis.Load(new Onnx(elementType: 11).Input("a", 2).Output("b", 2)
                    .Node("Identity", ["a"], "b"))).Message);

    [Fact]
    public void Load_Garbage_NamesTheFile()
    {
        var e = Assert.Throws<ModelException>(() =>
            OnnxModel.Load("bad.onnx", Encoding.UTF8.GetBytes("this is no graph"), "cpu", TinyDvis.Runtime));
        Assert.StartsWith("bad.onnx: ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void Load_UnknownOperator_NamesTheFile()
        => Assert.StartsWith("tiny.onnx: ",
            Assert.Throws<ModelException>(() =>
                TinyDvis.Load(new Onnx().Input("a", 2).Output("b", 2).Node("NoSuchThing", ["a"], "b"))).Message,
                StringComparison.Ordinal);

    [Fact]
    public void Load_MissingFile_NamesIt()
        => Assert.Equal("/nowhere/a.onnx: there is no such file.",
            Assert.Throws<ModelException>(() => OnnxModel.Load("/nowhere/a.onnx", "cpu", TinyDvis.Runtime)).Message);

    [Fact]
    public void Dispose_Twice_IsQuietAndRunsThrow()
    {
        var sut = TinyDvis.Load(Sum());
        sut.Dispose();
        sut.Dispose();
        using Tensor a = new(1, 3), b = new(1, 3), sum = new(1, 3);
        Assert.Throws<ObjectDisposedException>(() => sut.Run([a, b], [sum]));
    }

    [Fact]
    public async Task Dispose_WhileOthersRun_LetsThemFinish()
    {
        for (var round = 0; round < 3; round++)
        {
            var sut = TinyDvis.Load(Sum());
            using var begun = new CountdownEvent(2);
            var runs = Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(() =>
            {
                using Tensor a = new(64, 3), b = new(64, 3), sum = new(64, 3);
                sut.Run([a, b], [sum]);
                begun.Signal();
                while (true) sut.Run([a, b], [sum]); // until the dispose shows
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
            begun.Wait(TestContext.Current.CancellationToken);
            sut.Dispose();
            foreach (var run in runs) await Assert.ThrowsAsync<ObjectDisposedException>(() => run);
        }
    }

    [Fact]
    public async Task Run_ManyThreads_KeepTheirAnswersApart()
    {
        using var sut = TinyDvis.Load(Sum());
        await Task.WhenAll(Enumerable.Range(1, 4).Select(worker => Task.Factory.StartNew(() =>
        {
            using Tensor a = new(worker, 3), b = new(worker, 3), sum = new(worker, 3);
            for (var i = 0; i < 200; i++)
            {
                a.Span.Fill(worker);
                b.Span.Fill(i);
                sut.Run([a, b], [sum]);
                Assert.Equal(-1, sum.Span.IndexOfAnyExcept(worker + i));
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    [Fact]
    public void Run_OtherTensorsThanBefore_UsesTheirMemory()
    {
        using var sut = TinyDvis.Load(Sum());
        // More sets of tensors than the session keeps, each used twice and with other values the second time.
        var sets = Enumerable.Range(0, 40)
            .Select(_ => (A: new Tensor(1, 3), B: new Tensor(1, 3), Sum: new Tensor(1, 3))).ToArray();
        for (var round = 1; round <= 2; round++)
        {
            for (var i = 0; i < sets.Length; i++)
            {
                var (a, b, sum) = sets[i];
                a.Span.Fill(round);
                b.Span.Fill(100 * i);
                sut.Run([a, b], [sum]);
                Assert.Equal(-1, sum.Span.IndexOfAnyExcept(round + (100 * i)));
            }
        }

        foreach (var (a, b, sum) in sets)
        {
            a.Dispose();
            b.Dispose();
            sum.Dispose();
        }
    }

    [Fact]
    public void Run_TensorDisposed_Throws()
    {
        using var sut = TinyDvis.Load(Sum());
        using Tensor a = new(1, 3), b = new(1, 3), sum = new(1, 3);
        sut.Run([a, b], [sum]);
        b.Dispose();
        Assert.Throws<ObjectDisposedException>(() => sut.Run([a, b], [sum]));
    }

    [Fact]
    public void Run_AfterOneThatFailed_Works()
    {
        using var sut = TinyDvis.Load(Sum());
        using Tensor a = new(2, 3), b = new(2, 3), sum = new(2, 3), wrong = new(5, 3);
        Assert.Throws<ModelException>(() => sut.Run([a, b], [wrong]));
        a.Span.Fill(3);
        sut.Run([a, b], [sum]);
        Assert.Equal(-1, sum.Span.IndexOfAnyExcept(3));
    }

    [Fact]
    public void Run_SteadyState_AllocatesNothing()
    {
        using var sut = TinyDvis.Load(Sum());
        using Tensor a = new(2, 3), b = new(2, 3), sum = new(2, 3);
        sut.Run([a, b], [sum]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) sut.Run([a, b], [sum]);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
