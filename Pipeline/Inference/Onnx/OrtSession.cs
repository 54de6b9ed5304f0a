using System.Runtime.InteropServices;
using System.Text;

namespace Dvis.Streaming.Pipeline.Inference.Onnx;

/// <summary>A session and the names it is called with. A safe handle, so that a run in progress outlives a dispose.</summary>
internal sealed unsafe class OrtSession : SafeHandle
{
    private readonly OrtRuntime _runtime;

    public OrtSession(OrtRuntime runtime, nint session, IReadOnlyList<TensorSpec> inputs, IReadOnlyList<TensorSpec> outputs) : base(0, ownsHandle: true)
    {
        _runtime = runtime;
        InputNames = Copy(inputs);
        OutputNames = Copy(outputs);
        SetHandle(session); // last: until then the session is the caller's to release
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Zero-terminated UTF-8 names in the order of the graph; freed with the session.</summary>
    public byte** InputNames { get; }

    public byte** OutputNames { get; }

    protected override bool ReleaseHandle()
    {
        _runtime.Api.ReleaseSession(handle);
        NativeMemory.Free(InputNames);
        NativeMemory.Free(OutputNames);
        return true;
    }

    // One block: the pointers, then the strings they point to.
    private static byte** Copy(IReadOnlyList<TensorSpec> specs)
    {
        var text = specs.Sum(s => Encoding.UTF8.GetByteCount(s.Name) + 1);
        var names = (byte**)NativeMemory.Alloc((nuint)(specs.Count * sizeof(byte*) + text));
        var next = (byte*)(names + specs.Count);
        for (var i = 0; i < specs.Count; i++)
        {
            names[i] = next;
            next += Encoding.UTF8.GetBytes(specs[i].Name, new Span<byte>(next, text));
            *next++ = 0;
        }

        return names;
    }
}
