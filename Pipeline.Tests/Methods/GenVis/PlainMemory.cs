using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Tests.Methods.GenVis;

/// <summary>The memory of one slot as its rule is written, in double.</summary>
internal sealed class PlainMemory(MemoryRule rule)
{
    private readonly List<(double[] Key, double[] Value, double Clips)> _entries = [];

    public void Append(float[] key, float[] value)
    {
        if (_entries.Count == rule.Clips) MakeRoom();
        _entries.Add((Array.ConvertAll(key, v => (double)v), Array.ConvertAll(value, v => (double)v), 1));
    }

    public double[] Read(float[] query)
    {
        var sum = new double[query.Length];
        if (_entries.Count == 0) return sum;
        double[] scores =
            [.. _entries.Select(e => query.Zip(e.Key, (a, k) => a * k).Sum() + Math.Log(e.Clips))];
        var largest = scores.Max();
        double[] weights = [.. scores.Select(s => Math.Exp(s - largest))];
        foreach (var (i, entry) in _entries.Index())
            for (var c = 0; c < sum.Length; c++) sum[c] += weights[i] / weights.Sum() * entry.Value[c];
        return sum;
    }

    public void Clear() => _entries.Clear();

    private void MakeRoom()
    {
        if (rule.Policy == MemoryPolicy.Ring)
        {
            _entries.RemoveAt(0);
            return;
        }

        var pair = Enumerable.Range(0, _entries.Count - 1)
            .Where(i => _entries[i].Clips == _entries[i + 1].Clips).DefaultIfEmpty(0).First();
        var (a, b) = (_entries[pair], _entries[pair + 1]);
        var clips = a.Clips + b.Clips;
        double[] Mean(double[] x, double[] y) => [.. x.Zip(y, (p, q) => (p * a.Clips + q * b.Clips) / clips)];
        _entries[pair] = (Mean(a.Key, b.Key), Mean(a.Value, b.Value), clips);
        _entries.RemoveAt(pair + 1);
    }
}
