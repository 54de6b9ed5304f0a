using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>A frame's native pixels as memory, so that a pipe can be read straight into them.</summary>
internal sealed class PixelMemory(Frame frame) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => frame.Pixels;

    // Native memory does not move: there is nothing to hold down.
    public override unsafe MemoryHandle Pin(int elementIndex = 0)
        => new(Unsafe.AsPointer(ref MemoryMarshal.GetReference(frame.Pixels[elementIndex..])), pinnable: this);

    public override void Unpin()
    {
    }

    // The frame belongs to whoever holds it.
    protected override void Dispose(bool disposing)
    {
    }
}
