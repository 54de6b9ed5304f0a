namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>Receiver of shown frames for one HTTP response. Never waits; thread-safe.</summary>
/// <param name="cameras">Names; null: all cameras.</param>
/// <param name="fps">Frames per second and camera at most.</param>
internal abstract class LiveViewer(IReadOnlySet<string>? cameras, double fps)
{
    public double Fps => fps;

    /// <summary>True when final results of shown frames are wanted.</summary>
    public virtual bool Revises => false;

    public bool Wants(string camera) => cameras is null || cameras.Contains(camera);

    public abstract void Show(ShownFrame frame);

    /// <param name="json">Data of the event <c>final</c> of a frame that was shown before.</param>
    public virtual void Revise(ShownFrame frame, byte[] json)
    {
    }

    /// <param name="json">State of a camera; the next one supersedes it.</param>
    public virtual void Tell(string camera, byte[] json)
    {
    }

    /// <param name="json">Event of a track or camera.</param>
    public virtual void Report(string camera, byte[] json)
    {
    }
}
