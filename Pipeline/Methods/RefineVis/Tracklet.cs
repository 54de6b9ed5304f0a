using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Methods.RefineVis;

/// <summary>
/// Memory of one object: its last contrastive embeddings with their scores, or their exponential mean. It is used again
/// for another object in the same slot when this one has left.
/// </summary>
/// <param name="slot">Row of the object in the answers of the method.</param>
public sealed class Tracklet(int slot, int channels, AssociationRule rule)
{
    private readonly bool _weighted = rule.Memory == TrackletMemory.Weighted;
    private readonly int _length = rule.Memory == TrackletMemory.Weighted ? rule.MemoryLength : 1;

    // Oldest first, with room for one more than is kept.
    private readonly float[] _embeds = new float[(rule.MemoryLength + 1) * channels];
    private readonly float[] _scores = new float[rule.MemoryLength + 1];
    private int _count;

    public int Slot => slot;

    /// <summary>Number of the object, never used again in an epoch.</summary>
    public long Id { get; private set; }

    /// <summary>Frames in which it was detected.</summary>
    public int Seen { get; private set; }

    /// <summary>Frame of its last detection, counted by the association.</summary>
    public long LastFrame { get; private set; }

    /// <summary>Score of its last detection.</summary>
    public float LastScore { get; private set; }

    /// <summary>Frame in which it left, counted by the association.</summary>
    internal long LeftAt { get; set; }

    internal void Begin(long id) => (Id, Seen, _count) = (id, 0, 0);

    /// <summary>Adds a detection; the oldest one beyond the length of the memory is dropped.</summary>
    /// <param name="embedding">Shape [C].</param>
    internal void Append(ReadOnlySpan<float> embedding, float score, long frame)
    {
        if (!_weighted && _count > 0)
        {
            var mean = _embeds.AsSpan(0, channels);
            TensorPrimitives.Multiply(mean, 1 - (float)rule.Momentum, mean);
            TensorPrimitives.MultiplyAdd(embedding, (float)rule.Momentum, mean, mean);
        }
        else
        {
            embedding.CopyTo(_embeds.AsSpan(_count * channels));
            _scores[_count++] = score;
            if (_count > _length)
            {
                _embeds.AsSpan(channels).CopyTo(_embeds);
                _scores.AsSpan(1).CopyTo(_scores);
                _count--;
            }
        }

        Seen++;
        (LastFrame, LastScore) = (frame, score);
    }

    /// <summary>
    /// Writes the embedding that detections are compared with: the mean by score + k / n, k = 1…n from the oldest, or
    /// the exponential mean (IDOL).
    /// </summary>
    /// <param name="target">Shape [C].</param>
    internal void WriteMemory(Span<float> target)
    {
        if (!_weighted)
        {
            _embeds.AsSpan(0, channels).CopyTo(target);
            return;
        }

        target.Clear();
        var sum = 0f;
        for (var k = 0; k < _count; k++)
        {
            var weight = _scores[k] + (float)(k + 1) / _count;
            TensorPrimitives.MultiplyAdd(_embeds.AsSpan(k * channels, channels), weight, target, target);
            sum += weight;
        }

        TensorPrimitives.Divide(target, sum, target);
    }
}
