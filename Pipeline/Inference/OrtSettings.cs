using System.Globalization;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Session settings that all graphs share.</summary>
internal static class OrtSettings
{
    /// <param name="provider"><c>cpu</c>, <c>cuda</c> or <c>tensorrt</c>.</param>
    /// <param name="arena">
    /// False: the memory of a run is taken from the system and returned after it, instead of from an arena that
    /// doubles and is kept.
    /// </param>
    /// <exception cref="ModelException">ONNX Runtime cannot be loaded.</exception>
    /// <exception cref="OnnxRuntimeException">The provider's libraries cannot be loaded.</exception>
    public static SessionOptions Create(string provider, RuntimeOptions options, bool arena = true)
    {
        OrtRuntime.Start();
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
}
