namespace Dvis.Streaming.Sources.Synthetic;

/// <summary>Random numbers by SplitMix64: equal from equal seeds, on every machine and runtime.</summary>
internal sealed class SceneRandom(ulong seed)
{
    private ulong _state = seed;

    public static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    /// <summary>Uniform in 0 … 1, 1 excluded.</summary>
    public float Next() => (Mix(_state += 0x9E3779B97F4A7C15) >> 40) * (1f / (1 << 24));

    public float Between(float low, float high) => low + ((high - low) * Next());

    public float Between((float Low, float High) range) => Between(range.Low, range.High);

    /// <summary>Uniform in low … high, both included.</summary>
    public int Integer(int low, int high) => low + Math.Min((int)(Next() * (high - low + 1)), high - low);

    public float Normal() => MathF.Sqrt(-2 * MathF.Log(1 - Next())) * MathF.Cos(MathF.Tau * Next());
}
