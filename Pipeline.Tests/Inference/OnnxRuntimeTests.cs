using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Inference.Onnx;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

public sealed class OnnxRuntimeTests
{
    private static byte[] Copy => new Onnx().Input("a", 2).Output("b", 2).Node("Identity", ["a"], "b").Build();

    [Fact]
    public void Get_NamedLibraryMissing_NamesItAndTheOption()
    {
        var e = Assert.Throws<ModelException>(() => OrtRuntime.Get("/nowhere/libonnxruntime.so.1"));
        Assert.StartsWith("/nowhere/libonnxruntime.so.1, named by runtime.library, cannot be loaded as ONNX Runtime: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Get_AnotherLibrary_SaysSo()
        => Assert.Equal("libc.so.6 is not ONNX Runtime: it has no function OrtGetApiBase.", Assert.Throws<ModelException>(() => OrtRuntime.Get("libc.so.6")).Message);

    [Theory]
    [InlineData("1.16.3", false)]
    [InlineData("1.17.0", true)]
    [InlineData("1.30.0", true)]
    [InlineData("1.24.0-dev", true)]
    [InlineData("2.0.0", true)]
    [InlineData("?", false)]
    public void IsSupported_Version_IsFrom117On(string version, bool supported) => Assert.Equal(supported, OrtRuntime.IsSupported(version));

    [Fact]
    public void Places_DeveloperTree_LooksBesideTheProgramThenInTheTreeThenInTheSystem()
    {
        using var temp = new TempFolder();
        var program = Directory.CreateDirectory(temp.Path("artifacts/bin")).FullName;
        File.WriteAllText(temp.Path("Dvis.Streaming.sln"), "");
        string[] expected = [Path.Combine(program, "libonnxruntime.so.1"), "/tmp/.dvis/lib/libonnxruntime.so.1", temp.Path(".dvis/lib/libonnxruntime.so.1"), "libonnxruntime.so.1", "libonnxruntime.so"];
        Assert.Equal(expected, OrtLibrary.Places(program, "/tmp"));
    }

    [Fact]
    public void Load_ProviderMissingAndPolicyStop_RefusesWithTheWayOut()
    {
        TinyDvis.RequireRuntime();
        Assert.SkipWhen(HasCuda(), "This machine has CUDA.");
        var e = Assert.Throws<ModelException>(() => OnnxModel.Load("copy.onnx", Copy, new RuntimeOptions { Provider = ["cuda", "cpu"] }, NullLogger.Instance));
        Assert.StartsWith("copy.onnx: the execution provider cuda cannot be had (", e.Message, StringComparison.Ordinal);
        Assert.EndsWith("correct runtime.provider, or set runtime.on_missing_provider to fallback.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_ProviderMissingAndPolicyFallback_WarnsAndTakesTheNext()
    {
        TinyDvis.RequireRuntime();
        Assert.SkipWhen(HasCuda(), "This machine has CUDA.");
        var log = new CollectingLogger();
        using var model = OnnxModel.Load("copy.onnx", Copy, new RuntimeOptions { Provider = ["tensorrt", "cuda", "cpu"], OnMissingProvider = "fallback" }, log);
        Assert.Equal("cpu", model.Provider);
        Assert.Equal([LogLevel.Warning, LogLevel.Warning], log.Entries.Select(e => e.Level));
        Assert.Contains("tensorrt", log.Entries[0].Message, StringComparison.Ordinal);
        Assert.Contains("cuda", log.Entries[1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NoProviderLeft_Refuses()
    {
        TinyDvis.RequireRuntime();
        Assert.SkipWhen(HasCuda(), "This machine has CUDA.");
        var e = Assert.Throws<ModelException>(() => OnnxModel.Load("copy.onnx", Copy, new RuntimeOptions { Provider = ["cuda"], OnMissingProvider = "fallback" }, NullLogger.Instance));
        Assert.Equal("copy.onnx: none of the execution providers in runtime.provider (cuda) can be had.", e.Message);
    }

    private static bool HasCuda()
    {
        using var settings = new OrtSessionOptions(OrtRuntime.Get(null), 1);
        return settings.TryAppend("cuda", 0) is null;
    }
}
