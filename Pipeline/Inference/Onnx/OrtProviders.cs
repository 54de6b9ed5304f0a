using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>Opens a session on the first execution provider of the preference that can be had.</summary>
internal static partial class OrtProviders
{
    public delegate nint Create(OrtSessionOptions settings, out nint status);

    /// <returns>The session and the provider it runs on.</returns>
    /// <exception cref="ModelException">A preferred provider cannot be had and the policy is <c>stop</c>, none is left, or the graph is none.</exception>
    public static (nint Session, string Provider) Open(OrtRuntime runtime, RuntimeOptions options, string model, ILogger logger, Create create, bool arena = true)
    {
        foreach (var provider in options.Provider)
        {
            using var settings = new OrtSessionOptions(runtime, options.Threads, arena);
            var problem = provider == "cpu" ? null : settings.TryAppend(provider, options.Device);
            if (problem is null)
            {
                // TensorRT takes what it can; the rest should stay on the GPU. Without CUDA it goes to the CPU, and that works too.
                if (provider == "tensorrt") _ = settings.TryAppend("cuda", options.Device);
                var session = create(settings, out var status);
                if (status == 0) return (session, provider);
                problem = runtime.TakeMessage(status);
                if (provider == "cpu") throw new ModelException($"{model}: {problem}");
            }

            if (options.OnMissingProvider == "stop")
                throw new ModelException($"{model}: the execution provider {provider} cannot be had ({problem}); correct runtime.provider, or set runtime.on_missing_provider to fallback.");
            LogFallback(logger, model, provider, problem);
        }

        throw new ModelException($"{model}: none of the execution providers in runtime.provider ({string.Join(", ", options.Provider)}) can be had.");
    }

    [LoggerMessage(2101, LogLevel.Warning, "{Model}: the execution provider {Provider} cannot be had, trying the next: {Problem}")]
    private static partial void LogFallback(ILogger logger, string model, string provider, string problem);
}
