namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>
/// The functions we use of ONNX Runtime's C API. The table only ever grows, so the slots of version 17 (each checked against the
/// public onnxruntime_c_api.h) hold for every newer library. Functions return null or a status that <see cref="OrtRuntime.Check"/> takes.
/// </summary>
internal readonly unsafe struct OrtApi(nint* table)
{
    /// <summary>Version whose table we ask for: the oldest release we work with is 1.17.</summary>
    public const uint Version = 17;

    public const int Float32 = 1; // ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
    public const int LogFatal = 4; // ORT_LOGGING_LEVEL_FATAL
    public const int OptimizeAll = 99; // ORT_ENABLE_ALL
    public const int DeviceAllocator = 0;
    public const int DefaultMemory = 0;

    public delegate* unmanaged<nint, byte*> GetErrorMessage => (delegate* unmanaged<nint, byte*>)table[2];

    public delegate* unmanaged<int, byte*, nint*, nint> CreateEnv => (delegate* unmanaged<int, byte*, nint*, nint>)table[3];

    public delegate* unmanaged<nint, byte*, nint, nint*, nint> CreateSession => (delegate* unmanaged<nint, byte*, nint, nint*, nint>)table[7];

    public delegate* unmanaged<nint, byte*, nuint, nint, nint*, nint> CreateSessionFromArray => (delegate* unmanaged<nint, byte*, nuint, nint, nint*, nint>)table[8];

    /// <summary>session, run options, input names, inputs, count, output names, count, outputs.</summary>
    public delegate* unmanaged<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint> Run
        => (delegate* unmanaged<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint>)table[9];

    public delegate* unmanaged<nint*, nint> CreateSessionOptions => (delegate* unmanaged<nint*, nint>)table[10];

    public delegate* unmanaged<nint, nint> DisableCpuMemArena => (delegate* unmanaged<nint, nint>)table[19];

    public delegate* unmanaged<nint, int, nint> SetSessionGraphOptimizationLevel => (delegate* unmanaged<nint, int, nint>)table[23];

    public delegate* unmanaged<nint, int, nint> SetIntraOpNumThreads => (delegate* unmanaged<nint, int, nint>)table[24];

    public delegate* unmanaged<nint, int, nint> SetInterOpNumThreads => (delegate* unmanaged<nint, int, nint>)table[25];

    public delegate* unmanaged<nint, nuint*, nint> SessionGetInputCount => (delegate* unmanaged<nint, nuint*, nint>)table[30];

    public delegate* unmanaged<nint, nuint*, nint> SessionGetOutputCount => (delegate* unmanaged<nint, nuint*, nint>)table[31];

    public delegate* unmanaged<nint, nuint, nint*, nint> SessionGetInputTypeInfo => (delegate* unmanaged<nint, nuint, nint*, nint>)table[33];

    public delegate* unmanaged<nint, nuint, nint*, nint> SessionGetOutputTypeInfo => (delegate* unmanaged<nint, nuint, nint*, nint>)table[34];

    public delegate* unmanaged<nint, nuint, nint, byte**, nint> SessionGetInputName => (delegate* unmanaged<nint, nuint, nint, byte**, nint>)table[36];

    public delegate* unmanaged<nint, nuint, nint, byte**, nint> SessionGetOutputName => (delegate* unmanaged<nint, nuint, nint, byte**, nint>)table[37];

    /// <summary>memory info, data, bytes, shape, rank, element type → value.</summary>
    public delegate* unmanaged<nint, nint, nuint, long*, nuint, int, nint*, nint> CreateTensorWithDataAsOrtValue
        => (delegate* unmanaged<nint, nint, nuint, long*, nuint, int, nint*, nint>)table[49];

    public delegate* unmanaged<nint, nint*, nint> CastTypeInfoToTensorInfo => (delegate* unmanaged<nint, nint*, nint>)table[55];

    public delegate* unmanaged<nint, int*, nint> GetTensorElementType => (delegate* unmanaged<nint, int*, nint>)table[60];

    public delegate* unmanaged<nint, nuint*, nint> GetDimensionsCount => (delegate* unmanaged<nint, nuint*, nint>)table[61];

    public delegate* unmanaged<nint, long*, nuint, nint> GetDimensions => (delegate* unmanaged<nint, long*, nuint, nint>)table[62];

    public delegate* unmanaged<int, int, nint*, nint> CreateCpuMemoryInfo => (delegate* unmanaged<int, int, nint*, nint>)table[69];

    public delegate* unmanaged<nint, void*, nint> AllocatorFree => (delegate* unmanaged<nint, void*, nint>)table[76];

    public delegate* unmanaged<nint*, nint> GetAllocatorWithDefaultOptions => (delegate* unmanaged<nint*, nint>)table[78];

    public delegate* unmanaged<nint, void> ReleaseStatus => (delegate* unmanaged<nint, void>)table[93];

    public delegate* unmanaged<nint, void> ReleaseSession => (delegate* unmanaged<nint, void>)table[95];

    public delegate* unmanaged<nint, void> ReleaseValue => (delegate* unmanaged<nint, void>)table[96];

    public delegate* unmanaged<nint, void> ReleaseTypeInfo => (delegate* unmanaged<nint, void>)table[98];

    public delegate* unmanaged<nint, void> ReleaseSessionOptions => (delegate* unmanaged<nint, void>)table[100];

    public delegate* unmanaged<nint, byte*, byte*, nint> AddSessionConfigEntry => (delegate* unmanaged<nint, byte*, byte*, nint>)table[130];

    public ProviderSlots TensorRt => new(table, 170);

    public ProviderSlots Cuda => new(table, 204);

    /// <summary>The five functions of a provider's "V2" options, which stand in a row: append, create, update, read, release.</summary>
    internal readonly struct ProviderSlots(nint* table, int first)
    {
        public delegate* unmanaged<nint, nint, nint> Append => (delegate* unmanaged<nint, nint, nint>)table[first];

        public delegate* unmanaged<nint*, nint> Create => (delegate* unmanaged<nint*, nint>)table[first + 1];

        public delegate* unmanaged<nint, byte**, byte**, nuint, nint> Update => (delegate* unmanaged<nint, byte**, byte**, nuint, nint>)table[first + 2];

        public delegate* unmanaged<nint, void> Release => (delegate* unmanaged<nint, void>)table[first + 4];
    }
}
