using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Sink that also looks at the frames of all cameras, for pictures.</summary>
internal interface ICameraViewer : IResultSink
{
    /// <summary>
    /// Called with each frame before it is segmented, by the thread of its camera, which waits: the frame may be read
    /// until this returns. Thread-safe.
    /// </summary>
    void Watch(Frame frame);
}
