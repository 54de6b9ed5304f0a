namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>Somebody asks for a new epoch of a camera; its next frame begins it. Thread-safe.</summary>
public sealed class ResetRequest
{
    private int _asked;

    public void Ask() => Interlocked.Exchange(ref _asked, 1);

    /// <summary>True once for all that asked since the last call.</summary>
    internal bool Take() => Interlocked.Exchange(ref _asked, 0) == 1;
}
