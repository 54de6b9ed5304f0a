using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>A query slot that claims an object in this frame.</summary>
/// <param name="Row">Row of its mask in the frame's mask logits.</param>
/// <param name="Score">Of its best class, 0 … 1.</param>
/// <param name="Bits">Its mask on the network's grid.</param>
public readonly record struct Candidate(int Slot, int Row, int ClassId, float Score, MaskBits Bits);
