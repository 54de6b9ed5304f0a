using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>The process's one ONNX Runtime environment, and its errors as sentences.</summary>
internal static partial class OrtRuntime
{
    // PublicationOnly does not keep the exception of a failed start.
    private static readonly Lazy<string> s_version = new(CreateEnvironment, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>Version of the native library, for example <c>1.31.0</c>.</summary>
    /// <exception cref="ModelException">The native library cannot be loaded.</exception>
    public static string Version => s_version.Value;

    /// <summary>Starts the environment, once; nothing of the library may be used before.</summary>
    /// <exception cref="ModelException">The native library cannot be loaded.</exception>
    public static void Start() => _ = s_version.Value;

    /// <summary>Message of an error, on one line, without its code and the place in the library's source.</summary>
    public static string Sentence(OnnxRuntimeException error) => Sentence(error.Message);

    internal static string Sentence(string message)
    {
        var line = string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return Prefix().Replace(line, "");
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
