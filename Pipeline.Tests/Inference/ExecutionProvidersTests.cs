using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Inference;

/// <summary>Choice of the execution provider. Tests are built without GPU libraries: only <c>cpu</c> works.</summary>
public sealed class ExecutionProvidersTests
{
    private const string NoGpu = "cannot be used here (this build has no GPU libraries: build with -p:Gpu=true)";
    private const string NoCuda = $"cuda {NoGpu}", NoTensorRt = $"tensorrt {NoGpu}";

    [Fact]
    public void Choose_FirstWorks_SkipsNone() => Assert.Equal(new ProviderChoice("cpu", null), Choose(["cpu", "cuda"]));

    [Fact]
    public void Choose_PreferredIsMissing_TakesTheNextThatIsListed_AndGivesTheReason()
    {
        SkipWithGpuLibraries();
        Assert.Equal(new ProviderChoice("cpu", $"{NoTensorRt}, {NoCuda}"), Choose(["tensorrt", "cuda", "cpu"]));
    }

    [Fact]
    public void Problem_ProviderThatWorks_RunsTheProbe() => Assert.Null(ExecutionProviders.Problem("cpu", 0));

    [Fact]
    public void Choose_RequiredIsMissing_Stops()
    {
        SkipWithGpuLibraries();
        var e = Assert.Throws<ModelException>(() => Choose(["tensorrt", "cuda", "cpu"], require: "cuda"));
        Assert.Equal($"runtime.require is cuda, but {NoTensorRt}, {NoCuda}.", e.Message);
    }

    [Fact]
    public void Choose_OneBeforeTheRequiredWorks_TakesIt()
        => Assert.Equal("cpu", Choose(["cpu", "cuda"], require: "cuda").Name);

    [Fact]
    public void Choose_NoneOfTheListWorks_Stops()
    {
        SkipWithGpuLibraries();
        var e = Assert.Throws<ModelException>(() => Choose(["cuda"]));
        Assert.Equal($"No execution provider of runtime.provider works: {NoCuda}.", e.Message);
    }

    [Fact]
    public void Load_ModelWhosePreferredProviderIsMissing_WarnsOnceForAllItsGraphs()
    {
        SkipWithGpuLibraries();
        using var temp = new TempFolder();
        var log = new CollectingLogger();
        var options = new RuntimeOptions { Provider = ["cuda", "cpu"], Threads = 1 };

        using var models = ModelGraphs.Load(new ModelOptions { Path = TinyDvis.Write(temp.Root) }, options, log);

        Assert.Equal("cpu", Assert.IsType<OnnxModel>(models.Segmenter).Provider);
        var warning = Assert.Single(log.Entries, entry => entry.Level == LogLevel.Warning);
        Assert.Equal($"Inference runs on cpu: {NoCuda}.", warning.Message);
    }

    [Theory]
    [InlineData("libonnxruntime_providers_cuda.so", "this build has no GPU libraries: build with -p:Gpu=true")]
    [InlineData("libcublasLt.so.13", "missing libcublasLt.so.13: install CUDA 13")]
    [InlineData("libnvrtc.so.13", "missing libnvrtc.so.13: install CUDA 13")]
    [InlineData("libcudnn.so.9", "missing libcudnn.so.9: install cuDNN 9")]
    [InlineData("libcuda.so.1", "missing libcuda.so.1: install the NVIDIA driver")]
    [InlineData("libnvinfer.so.10", "missing libnvinfer.so.10: install TensorRT 10")]
    [InlineData("libother.so", "missing libother.so: install it")]
    public void Explain_MissingLibrary_SaysWhatToInstall(string library, string clause)
    {
        var message = $"Failed to load library /app/libonnxruntime_providers_cuda.so with error: {library}: "
            + "cannot open shared object file: No such file or directory";
        Assert.Equal(clause, ExecutionProviders.Explain(message));
    }

    [Fact]
    public void Explain_CuDnnThatIsLoadedLate_SaysWhatToInstall()
        => Assert.Equal(
            "cuDNN was not found: install cuDNN 9",
            ExecutionProviders.Explain("cuDNN is not available. Install cuDNN, update the search path, or"));

    [Fact]
    public void Explain_BuildForAnotherProcessor_SaysSo()
        => Assert.Equal(
            "ONNX Runtime has no such provider for this processor",
            ExecutionProviders.Explain("CUDA execution provider is not enabled in this build."));

    [Fact]
    public void Explain_AnyOtherError_IsToldAsItIs()
        => Assert.Equal("no CUDA device is detected", ExecutionProviders.Explain("no CUDA device is detected."));

    [Theory]
    [InlineData("[ErrorCode:Fail] a\n  b", "a b")]
    [InlineData("[ErrorCode:Fail] /src/bridge.cc:17 Get() [ONNXRuntimeError] : 1 : FAIL : no device", "no device")]
    public void Sentence_ErrorOfTheLibrary_IsOneLineWithoutItsCode(string message, string sentence)
        => Assert.Equal(sentence, OrtRuntime.Sentence(message));

    private static ProviderChoice Choose(string[] providers, string? require = null)
        => ExecutionProviders.Choose(new RuntimeOptions { Provider = providers, Require = require });

    private static void SkipWithGpuLibraries()
    {
        const string library = "libonnxruntime_providers_cuda.so";
        var found = Directory.GetFiles(AppContext.BaseDirectory, library, SearchOption.AllDirectories);
        Assert.SkipWhen(found.Length > 0, "This build has the GPU libraries.");
    }
}
