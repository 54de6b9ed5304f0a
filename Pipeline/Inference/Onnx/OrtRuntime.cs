using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>
/// One loaded ONNX Runtime: function table, environment, the description of ordinary memory. Lives as long as the process, because the
/// library keeps threads and statics of its own and does not survive being unloaded.
/// </summary>
internal sealed unsafe class OrtRuntime
{
    private static readonly ConcurrentDictionary<string, Lazy<OrtRuntime>> ByRequest = new();

    private OrtRuntime(string? configured)
    {
        (var handle, Path) = OrtLibrary.Load(configured);
        if (!NativeLibrary.TryGetExport(handle, "OrtGetApiBase", out var entry)) throw new ModelException($"{Path} is not ONNX Runtime: it has no function OrtGetApiBase.");
        var api = (nint*)((delegate* unmanaged<nint>)entry)();
        VersionText = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)api[1])())!;
        // Asking an old library for a table it does not have makes it print to stderr, so look at the version first.
        var table = IsSupported(VersionText) ? ((delegate* unmanaged<uint, nint>)api[0])(OrtApi.Version) : 0;
        if (table == 0) throw new ModelException($"{Path} is ONNX Runtime {VersionText}; 1.{OrtApi.Version} or newer is needed.");
        Api = new OrtApi((nint*)table);

        nint env, memory, allocator;
        // What it would log below "fatal" is in the status as well, and the status becomes our exception.
        fixed (byte* id = "dvis\0"u8) Check(Api.CreateEnv(OrtApi.LogFatal, id, &env), Path);
        Check(Api.CreateCpuMemoryInfo(OrtApi.DeviceAllocator, OrtApi.DefaultMemory, &memory), Path);
        Check(Api.GetAllocatorWithDefaultOptions(&allocator), Path);
        (Environment, CpuMemory, Allocator) = (env, memory, allocator);
    }

    public string Path { get; }

    /// <summary>For example <c>1.30.0</c>.</summary>
    public string VersionText { get; }

    public OrtApi Api { get; }

    public nint Environment { get; }

    public nint CpuMemory { get; }

    /// <summary>Frees the strings the library hands out; not ours to release.</summary>
    public nint Allocator { get; }

    /// <summary>The runtime for this <c>runtime.library</c> (null: where it is found), loaded once.</summary>
    /// <exception cref="ModelException">No library, not one, or one too old.</exception>
    public static OrtRuntime Get(string? configured)
    {
        // PublicationOnly: a failure is not kept, so that a library installed meanwhile is found.
        var entry = ByRequest.GetOrAdd(configured ?? "", static (_, c) => new Lazy<OrtRuntime>(() => new OrtRuntime(c), LazyThreadSafetyMode.PublicationOnly), configured);
        return entry.Value;
    }

    /// <summary>Turns a status into an exception that begins with what was being done.</summary>
    public void Check(nint status, string what)
    {
        if (status == 0) return;
        throw new ModelException($"{what}: {TakeMessage(status)}");
    }

    /// <summary>The message of a failed status, on one line; releases it.</summary>
    public string TakeMessage(nint status)
    {
        var message = Marshal.PtrToStringUTF8((nint)Api.GetErrorMessage(status)) ?? "unknown error";
        Api.ReleaseStatus(status);
        return string.Join(' ', message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    internal static bool IsSupported(string version)
        => Version.TryParse(version.Split('-', '+')[0], out var v) && (v.Major > 1 || (v.Major == 1 && v.Minor >= OrtApi.Version));
}
