using System.Collections.Concurrent;

namespace Dvis.Streaming.Pipeline.Telemetry;

/// <summary>
/// Bounds the values of the label <c>label</c>: the first classes keep their names, the others count as <c>other</c>.
/// Thread-safe.
/// </summary>
internal sealed class ClassLabels
{
    private readonly ConcurrentDictionary<string, byte> _allowed = new();

    public int Max { get; set; } = 20;

    public string Allowed(string label)
    {
        if (_allowed.ContainsKey(label)) return label;
        if (_allowed.Count >= Max) return "other";
        _allowed.TryAdd(label, 0);
        return label;
    }
}
