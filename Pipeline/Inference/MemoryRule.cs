namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>Bound of a memory of past clips.</summary>
/// <param name="Clips">Entries per slot, at least 1; up to so many clips the memory is exact.</param>
/// <param name="Policy">What happens to a clip for which there is no room.</param>
public sealed record MemoryRule(int Clips, MemoryPolicy Policy = MemoryPolicy.Merge);

/// <summary>Way in which a full memory makes room for the next clip.</summary>
public enum MemoryPolicy
{
    /// <summary>Two neighbouring old entries become one: the reach into the past is logarithmic.</summary>
    Merge,

    /// <summary>The oldest entry is forgotten.</summary>
    Ring,
}
