using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.OpenCv;

/// <summary>
/// Decoder of V4L2 devices and files by OpenCV. Its calls cannot be interrupted, so each session has a thread that is
/// left behind when a call does not return; their number per path is bounded. One per process.
/// </summary>
public sealed class OpenCvDecoder : IFrameDecoder
{
    /// <summary>Threads that may be left behind in calls on one path.</summary>
    internal const int MaxAbandonedThreads = 4;

    private readonly Dictionary<string, long> _abandoned = []; // under its own lock

    public IFrameSession Start(
        string camera, SourceOptions options, FramePool pool, TimeProvider time, Action<long>? abandoned = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        OpenCvLibrary.Require();
        var path = options.Device ?? options.File
            ?? throw new ArgumentException("device or file must be set", nameof(options));
        if (AbandonedThreads(path) >= MaxAbandonedThreads)
            throw new SourceException(SourceFault.Stalled, $"{MaxAbandonedThreads} calls of OpenCV on {path} have not "
                + "returned; no more are started until one does.");

        ICaptureInput input = options.Device is null
            ? new FileInput(path)
            : new DeviceInput(path, options.V4l2 ?? new DeviceOptions());
        return new OpenCvSession(camera, input, ended => Abandon(path, ended, abandoned), pool, time);
    }

    public long AbandonedThreads(string path)
    {
        lock (_abandoned) return _abandoned.GetValueOrDefault(path);
    }

    private void Abandon(string path, Task ended, Action<long>? abandoned)
    {
        Add(1);
        ended.ContinueWith(_ => Add(-1), TaskScheduler.Default);

        void Add(int count)
        {
            lock (_abandoned)
            {
                _abandoned[path] = _abandoned.GetValueOrDefault(path) + count;
                abandoned?.Invoke(_abandoned[path]);
            }
        }
    }
}
