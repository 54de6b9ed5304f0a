using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>Reads what a session says about its inputs and outputs.</summary>
internal static unsafe class OrtGraph
{
    /// <exception cref="ModelException">An input or output is no float32 tensor.</exception>
    public static TensorSpec[] Describe(OrtRuntime runtime, nint session, string model, bool inputs)
    {
        var api = runtime.Api;
        nuint count;
        runtime.Check(inputs ? api.SessionGetInputCount(session, &count) : api.SessionGetOutputCount(session, &count), model);
        var specs = new TensorSpec[count];
        for (nuint i = 0; i < count; i++)
        {
            byte* name;
            runtime.Check(inputs ? api.SessionGetInputName(session, i, runtime.Allocator, &name) : api.SessionGetOutputName(session, i, runtime.Allocator, &name), model);
            var text = Marshal.PtrToStringUTF8((nint)name)!;
            runtime.Check(api.AllocatorFree(runtime.Allocator, name), model);

            nint type;
            runtime.Check(inputs ? api.SessionGetInputTypeInfo(session, i, &type) : api.SessionGetOutputTypeInfo(session, i, &type), model);
            try
            {
                specs[i] = new TensorSpec(text, Shape(runtime, type, model, text));
            }
            finally
            {
                api.ReleaseTypeInfo(type);
            }
        }

        return specs;
    }

    private static long[] Shape(OrtRuntime runtime, nint type, string model, string name)
    {
        var api = runtime.Api;
        nint info; // belongs to the type
        var element = 0;
        runtime.Check(api.CastTypeInfoToTensorInfo(type, &info), model);
        if (info != 0) runtime.Check(api.GetTensorElementType(info, &element), model);
        if (element != OrtApi.Float32) throw new ModelException($"{model}: {name} is no float32 tensor (ONNX element type {element}).");
        nuint rank;
        runtime.Check(api.GetDimensionsCount(info, &rank), model);
        var shape = new long[rank];
        fixed (long* sides = shape) runtime.Check(api.GetDimensions(info, sides, rank), model);
        return shape;
    }
}
