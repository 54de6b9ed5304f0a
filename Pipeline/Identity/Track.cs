using System.Numerics.Tensors;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>State, appearance and summary of a track. Used by the track stage only.</summary>
public sealed class Track
{
    // Weight of the newest frame: steady against one blurred frame, quick against a real change.
    private const float Newest = 0.3f;
    private readonly ClassVotes _votes = new();
    private readonly float[] _embedding;
    private DateTimeOffset _firstStamp, _lastStamp;
    private double _firstSeen;
    private float _maxScore;
    private long _bestFrame;

    internal Track(TrackIdentity identity, int slot, int channels, long firstFrame)
    {
        (Identity, Slot, FirstFrameId) = (identity, slot, firstFrame);
        _embedding = new float[channels];
    }

    public TrackIdentity Identity { get; }

    /// <summary>-1: another track has the slot.</summary>
    public int Slot { get; internal set; }

    /// <summary>Number of the object where the method decides identity; -1 where it does not.</summary>
    internal long Tracklet { get; set; } = -1;

    public TrackState State { get; internal set; } = TrackState.Tentative;

    /// <summary>Its majority over all frames in which it was seen.</summary>
    public int ClassId => _votes.ClassId;

    /// <summary>Score of <see cref="ClassId"/> in the last frame in which it was seen.</summary>
    public float Score { get; private set; }

    public long FirstFrameId { get; }

    public long LastFrameId { get; private set; }

    /// <summary>Frames since the first, this one included.</summary>
    public int Age { get; internal set; }

    /// <summary>Frames in which it was seen.</summary>
    public int Frames { get; private set; }

    /// <summary>Frames since it was last seen; 0: in this frame.</summary>
    public int Missed { get; internal set; }

    /// <summary>Epoch seconds when it was seen last.</summary>
    public double LastSeen { get; private set; }

    /// <summary>Epoch seconds of its last event.</summary>
    public double LastEvent { get; internal set; }

    /// <summary>Class in its last event.</summary>
    internal int ReportedClass { get; set; }

    /// <summary>True from its <c>lost</c> event until it counts as returned.</summary>
    internal bool IsLost { get; set; }

    /// <summary>Frames in which it was seen since it was out of sight for long enough to be lost.</summary>
    internal int SeenAgain { get; set; }

    /// <summary>True when another track has the object that it claims in this frame.</summary>
    internal bool Suppressed { get; set; }

    internal MaskBits Bits { get; } = new();

    /// <summary>Cosine of its mean embedding and <paramref name="embedding"/>, shape [C].</summary>
    public float Similarity(ReadOnlySpan<float> embedding)
    {
        var norms = TensorPrimitives.Norm<float>(_embedding) * TensorPrimitives.Norm(embedding);
        return norms == 0 ? 0 : TensorPrimitives.Dot(_embedding, embedding) / norms;
    }

    /// <summary>Adds a frame in which it was seen.</summary>
    /// <param name="probabilities">Shape [K], without "no object".</param>
    /// <param name="embedding">Shape [C].</param>
    internal void See(FrameInfo frame, double seconds, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> embedding,
        MaskBits bits)
    {
        var weight = Frames == 0 ? 1 : Newest;
        var scale = weight / Math.Max(TensorPrimitives.Norm(embedding), 1e-6f);
        for (var i = 0; i < _embedding.Length; i++)
            _embedding[i] = (1 - weight) * _embedding[i] + scale * embedding[i];
        var shown = TensorPrimitives.IndexOfMax(probabilities);
        _votes.Add(shown, probabilities[shown], holds: State != TrackState.Tentative);
        Score = probabilities[ClassId];
        Bits.CopyFrom(bits);
        if (Frames == 0) (_firstStamp, _firstSeen) = (frame.Capture.Stamp, seconds);
        if (Score > _maxScore) (_maxScore, _bestFrame) = (Score, frame.FrameId);
        (_lastStamp, LastFrameId, LastSeen, Missed) = (frame.Capture.Stamp, frame.FrameId, seconds, 0);
        Frames++;
        SeenAgain++;
    }

    public TrackSummary Summarise() => new(
        _firstStamp, _lastStamp, LastSeen - _firstSeen, _maxScore, _votes.Ranked, _bestFrame, Frames);
}
