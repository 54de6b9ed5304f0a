namespace Dvis.Streaming.Hosting.State;

/// <summary>The newest lines of the log, as text and without secrets. Thread-safe.</summary>
internal sealed class LogTail
{
    private const int Capacity = 200, MaxLength = 1000;

    private readonly Lock _gate = new();
    private readonly Queue<string> _lines = new();

    /// <summary>The lines, oldest first.</summary>
    public string[] Lines
    {
        get
        {
            lock (_gate) return [.. _lines];
        }
    }

    /// <param name="entry">One or more lines; long ones are cut.</param>
    public void Add(string entry)
    {
        lock (_gate)
        {
            foreach (var line in entry.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                if (_lines.Count == Capacity) _lines.Dequeue();
                _lines.Enqueue(line.Length > MaxLength ? line[..MaxLength] + "…" : line);
            }
        }
    }
}
