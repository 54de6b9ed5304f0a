using System.Threading.Channels;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Viewer of the newest picture of one camera.</summary>
internal sealed class PictureViewer(string camera, double fps) : LiveViewer(new HashSet<string> { camera }, fps)
{
    private readonly Channel<ShownFrame> _newest = Channel.CreateBounded<ShownFrame>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });

    public override void Show(ShownFrame frame)
    {
        if (frame.Picture is not null) _newest.Writer.TryWrite(frame);
    }

    /// <summary>Waits for a frame that was not returned yet.</summary>
    public ValueTask<ShownFrame> NextAsync(CancellationToken cancel) => _newest.Reader.ReadAsync(cancel);
}
