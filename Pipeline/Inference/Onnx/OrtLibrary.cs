using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>Finds and loads ONNX Runtime's library. A place that was named must work; only unnamed places are tried one after another.</summary>
internal static class OrtLibrary
{
    public const string Variable = "DVIS_ONNXRUNTIME";

    private const string FileName = "libonnxruntime.so.1";

    /// <summary>Loads it and says from where.</summary>
    /// <exception cref="ModelException">Not found, or found and not loadable: says what was tried and how to get it.</exception>
    public static (nint Handle, string Path) Load(string? configured)
    {
        if (!string.IsNullOrEmpty(configured)) return (LoadNamed(configured, "runtime.library"), configured);
        var variable = Environment.GetEnvironmentVariable(Variable);
        if (!string.IsNullOrEmpty(variable)) return (LoadNamed(variable, Variable), variable);

        var tried = new List<string>();
        foreach (var place in Places(AppContext.BaseDirectory, Directory.GetCurrentDirectory()))
        {
            if (!tried.Contains(place)) tried.Add(place);
            // A bare name is the dynamic loader's to look for.
            if (Path.IsPathRooted(place) && !File.Exists(place)) continue;
            if (NativeLibrary.TryLoad(place, out var handle)) return (handle, place);
        }

        throw new ModelException($"ONNX Runtime was not found (tried {string.Join(", ", tried)}): run deploy/get-onnxruntime.sh, or name the library in runtime.library or {Variable}.");
    }

    /// <summary>Beside the program, in the developer tree, then wherever the system looks.</summary>
    public static IEnumerable<string> Places(string program, string working)
    {
        yield return Path.Combine(program, FileName);
        yield return Path.Combine(working, ".dvis", "lib", FileName);
        foreach (var start in new[] { working, program })
            for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, "Dvis.Streaming.sln"))) yield return Path.Combine(folder.FullName, ".dvis", "lib", FileName);
        yield return FileName;
        yield return "libonnxruntime.so";
    }

    private static nint LoadNamed(string path, string from)
    {
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw new ModelException($"{path}, named by {from}, cannot be loaded as ONNX Runtime: {FirstLine(e.Message)}", e);
        }
    }

    private static string FirstLine(string message) => message.AsSpan().Trim().ToString().Split('\n')[0];
}
