using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>Settings of one session, freed after the session was made.</summary>
internal sealed unsafe class OrtSessionOptions : IDisposable
{
    private readonly OrtRuntime _runtime;
    private nint _options;

    /// <param name="arena">False: a run's memory is taken from the system and goes back at once, instead of from an arena that doubles and stays.</param>
    public OrtSessionOptions(OrtRuntime runtime, int threads, bool arena = true)
    {
        _runtime = runtime;
        nint options;
        runtime.Check(runtime.Api.CreateSessionOptions(&options), "session options");
        _options = options;
        runtime.Check(runtime.Api.SetSessionGraphOptimizationLevel(options, OrtApi.OptimizeAll), "graph optimization level");
        if (!arena) runtime.Check(runtime.Api.DisableCpuMemArena(options), "arena");
        // ProcessorCount respects a container's limit; the library's own "all cores" does not.
        runtime.Check(runtime.Api.SetIntraOpNumThreads(options, threads == 0 ? Environment.ProcessorCount : threads), "threads");
        runtime.Check(runtime.Api.SetInterOpNumThreads(options, 1), "threads");
        // Spinning threads take the cores the decoders need; measured 31-52 % slower when cores are shared.
        fixed (byte* key = "session.intra_op.allow_spinning\0"u8, value = "0\0"u8) runtime.Check(runtime.Api.AddSessionConfigEntry(options, key, value), "spinning");
    }

    public nint Handle => _options;

    /// <summary>Asks for an execution provider. The library lists providers it cannot load, so only a successful append counts.</summary>
    /// <returns>Null, or why it cannot be had.</returns>
    public string? TryAppend(string provider, int device)
    {
        var slots = provider switch
        {
            "cuda" => _runtime.Api.Cuda,
            "tensorrt" => _runtime.Api.TensorRt,
            _ => throw new ModelException($"runtime.provider: {provider} is none of cpu, cuda, tensorrt."),
        };
        nint settings;
        var status = slots.Create(&settings);
        if (status != 0) return _runtime.TakeMessage(status);
        try
        {
            fixed (byte* key = "device_id\0"u8, value = Encoding.UTF8.GetBytes(device.ToString(CultureInfo.InvariantCulture) + '\0'))
            {
                byte* keys = key, values = value;
                status = slots.Update(settings, &keys, &values, 1);
            }

            if (status == 0) status = slots.Append(_options, settings);
            return status == 0 ? null : _runtime.TakeMessage(status);
        }
        finally
        {
            slots.Release(settings);
        }
    }

    public void Dispose()
    {
        var options = Interlocked.Exchange(ref _options, 0);
        if (options != 0) _runtime.Api.ReleaseSessionOptions(options);
    }
}
