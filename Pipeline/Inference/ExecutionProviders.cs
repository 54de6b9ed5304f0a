using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Memory;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Execution provider on which graphs run on this machine.</summary>
/// <param name="Name"><c>cpu</c>, <c>cuda</c> or <c>tensorrt</c>.</param>
/// <param name="Skipped">Reasons against those preferred to it, one clause each; null: it is the first.</param>
public sealed record ProviderChoice(string Name, string? Skipped);

/// <summary>Finds the execution provider that <c>runtime.provider</c> and <c>runtime.require</c> ask for.</summary>
public static partial class ExecutionProviders
{
    // A graph of one Conv, x [1,1,1,1] → y [1,1,1,1], opset 13. The library reports a missing device only when a
    // session is created, and a missing cuDNN only when it runs.
    private static readonly byte[] s_probe = Convert.FromBase64String(
        "CAgSADpnCg8KAXgKAXcSAXkiBENvbnYSBXByb2JlKhMIAQgBCAEIARABIgQAAIA/QgF3WhsKAXgSFg" +
        "oUCAESEAoCCAEKAggBCgIIAQoCCAFiGwoBeRIWChQIARIQCgIIAQoCCAEKAggBCgIIAUIECgAQDQ==");

    /// <summary>The first provider in the order of <c>runtime.provider</c> that works on this machine.</summary>
    /// <exception cref="ModelException">None works, or none up to <c>runtime.require</c>, with the reasons.</exception>
    public static ProviderChoice Choose(RuntimeOptions options)
    {
        var problems = new List<string>();
        foreach (var name in options.Provider)
        {
            if (name == "cpu" || Problem(name, options.Device) is not { } problem)
                return new ProviderChoice(name, problems.Count == 0 ? null : Text());
            problems.Add($"{name} cannot be used here ({problem})");
            if (name == options.Require) throw new ModelException($"runtime.require is {name}, but {Text()}.");
        }

        throw new ModelException($"No execution provider of runtime.provider works: {Text()}.");

        string Text() => string.Join(", ", problems);
    }

    /// <summary>Remedy of an error of ONNX Runtime at loading a provider, as a clause.</summary>
    internal static string Explain(string message)
    {
        if (NotBuiltIn().IsMatch(message)) return "ONNX Runtime has no such provider for this processor";
        if (NoCuDnn().IsMatch(message)) return "cuDNN was not found: install cuDNN 9";
        if (MissingLibrary().Match(message) is not { Success: true } match) return message.TrimEnd('.', ' ');
        var library = match.Groups["name"].Value;
        if (Is("libonnxruntime_providers_")) return "this build has no GPU libraries: build with -p:Gpu=true";
        var remedy = library switch
        {
            _ when Is("libcudnn") => "install cuDNN 9",
            _ when Is("libcuda.so") => "install the NVIDIA driver",
            _ when Is("libcu") || Is("libnvrtc") || Is("libnvJitLink") => "install CUDA 13",
            _ when Is("libnvinfer") || Is("libnvonnxparser") => "install TensorRT 10",
            _ => "install it",
        };
        return $"missing {library}: {remedy}";

        bool Is(string prefix) => library.StartsWith(prefix, StringComparison.Ordinal);
    }

    /// <summary>Error of a small graph on a provider, as a clause; null when it runs.</summary>
    internal static string? Problem(string provider, int device)
    {
        try
        {
            using var model = OnnxModel.Load("probe", s_probe, provider, new RuntimeOptions { Device = device });
            using Tensor input = new(1, 1, 1, 1), output = new(1, 1, 1, 1);
            model.Run([input], [output]);
            return null;
        }
        catch (ModelException e) when (e.InnerException is OnnxRuntimeException error)
        {
            return Explain(OrtRuntime.Sentence(error.Message));
        }
    }

    // Message of the dynamic loader: "libcublasLt.so.13: cannot open shared object file: No such file or directory".
    [GeneratedRegex(@"(?<name>lib[^/\s:]+\.so[.\d]*): cannot open shared object file")]
    private static partial Regex MissingLibrary();

    [GeneratedRegex("cuDNN (is not available|library was not found)", RegexOptions.IgnoreCase)]
    private static partial Regex NoCuDnn();

    [GeneratedRegex("not enabled in this build|not supported in this build", RegexOptions.IgnoreCase)]
    private static partial Regex NotBuiltIn();
}
