namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>
/// Class logits of the query slots, averaged over frames. DVIS averages over the whole video, which a live stream does
/// not have; this is the plain mean of the first frames, and then a decaying one, like the class votes of tracks. Not
/// thread-safe.
/// </summary>
/// <param name="width">K+1.</param>
public sealed class ClassMemory(int queries, int width)
{
    // As in Track: steady against one blurred frame, quick against a real change.
    private const float Newest = 0.3f;

    private readonly float[] _mean = new float[queries * width];
    private readonly int[] _frames = new int[queries];

    /// <summary>Adds the logits of one frame, shape [Q,K+1]; returns the mean in the same shape.</summary>
    public ReadOnlySpan<float> Take(ReadOnlySpan<float> logits)
    {
        for (var slot = 0; slot < queries; slot++)
        {
            var weight = Math.Max(1f / ++_frames[slot], Newest);
            var mean = _mean.AsSpan(slot * width, width);
            var newest = logits.Slice(slot * width, width);
            if (_frames[slot] == 1) newest.CopyTo(mean);
            else
                for (var k = 0; k < width; k++) mean[k] += weight * (newest[k] - mean[k]);
            // Beyond the plain mean the count is not needed.
            if (weight <= Newest) _frames[slot]--;
        }

        return _mean;
    }

    /// <summary>Restarts the mean of a slot that has another object.</summary>
    /// <param name="logits">Of this frame, shape [Q,K+1].</param>
    public void Restart(int slot, ReadOnlySpan<float> logits)
    {
        logits.Slice(slot * width, width).CopyTo(_mean.AsSpan(slot * width));
        _frames[slot] = 1;
    }

    public void Clear() => Array.Clear(_frames);
}
