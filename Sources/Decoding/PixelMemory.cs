using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>Memory over a frame's native pixels, which the frame owns; a pipe is read straight into it.</summary>
internal sealed class PixelMemory(Frame frame) : MemoryManager<byte>
{
    public override Span<byte> GetSpan() => frame.Pixels;

    // Native memory does not move.
    public override unsafe MemoryHandle Pin(int elementIndex = 0)
        => new(Unsafe.AsPointer(ref MemoryMarshal.GetReference(frame.Pixels[elementIndex..])), pinnable: this);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }
}
