using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>The ONNX Runtime environment of the process, settings of its sessions, its errors as sentences.</summary>
public static partial class OrtRuntime
{
    // PublicationOnly does not keep the exception of a failed start.
    private static readonly Lazy<string> s_version = new(CreateEnvironment, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>Version of the native library, for example <c>1.31.0</c>.</summary>
    /// <exception cref="ModelException">The native library cannot be loaded.</exception>
    public static string Version => s_version.Value;

    /// <summary>Settings of a session.</summary>
    /// <param name="provider"><c>cpu</c>, <c>cuda</c> or <c>tensorrt</c>.</param>
    /// <param name="arena">
    /// False: the memory of a run is taken from the system and returned after it, instead of from an arena that
    /// doubles and is kept.
    /// </param>
    /// <exception cref="ModelException">ONNX Runtime cannot be loaded.</exception>
    /// <exception cref="OnnxRuntimeException">The provider's libraries cannot be loaded.</exception>
    internal static SessionOptions Settings(string provider, RuntimeOptions options, bool arena)
    {
        _ = Version; // starts the environment; nothing of the library may be used before
        var settings = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            EnableCpuMemArena = arena,
            // ProcessorCount respects a container's limit; the library's own "all cores" does not.
            IntraOpNumThreads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads,
            InterOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
        };
        try
        {
            // Spinning threads take the cores the decoders need; measured 31-52 % slower when cores are shared.
            settings.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
            Append(settings, provider, options.Device);
            return settings;
        }
        catch
        {
            settings.Dispose();
            throw;
        }
    }

    /// <summary>Message of an error, on one line, without its code and the place in the library's source.</summary>
    internal static string Sentence(string message)
    {
        var line = string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return Prefix().Replace(line, "");
    }

    private static void Append(SessionOptions settings, string provider, int device)
    {
        // The overloads that take a device number hide why a provider cannot be loaded.
        var entries = new Dictionary<string, string> { ["device_id"] = device.ToString(CultureInfo.InvariantCulture) };
        if (provider == "tensorrt")
        {
            using var tensorRt = new OrtTensorRTProviderOptions();
            tensorRt.UpdateOptions(entries);
            settings.AppendExecutionProvider_Tensorrt(tensorRt);
        }

        // TensorRT takes the nodes it can; the others run on CUDA.
        if (provider is "tensorrt" or "cuda")
        {
            using var cuda = new OrtCUDAProviderOptions();
            cuda.UpdateOptions(entries);
            settings.AppendExecutionProvider_CUDA(cuda);
        }
    }

    private static string CreateEnvironment()
    {
        try
        {
            // What the library would log is in its exceptions as well; only "fatal" keeps coloured text off stderr.
            var options = new EnvironmentCreationOptions
            {
                logId = "dvis",
                logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            };
            var environment = OrtEnv.IsCreated ? OrtEnv.Instance() : OrtEnv.CreateInstanceWithOptions(ref options);
            return environment.GetVersionString();
        }
        catch (TypeInitializationException e)
        {
            var reason = (e.InnerException ?? e).Message.Split('\n')[0];
            throw new ModelException($"ONNX Runtime cannot be loaded: {reason}", e);
        }
    }

    // "[ErrorCode:Fail] ", then possibly "/src/file.cc:12 function [ONNXRuntimeError] : 1 : FAIL : ".
    [GeneratedRegex(@"^(\[ErrorCode:\w+\] )?(.*\[ONNXRuntimeError\] : \d+ : \w+ : )?")]
    private static partial Regex Prefix();
}
