namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>One file of records with rising sequences, named by its first. Only its end grows,
/// and only in the run that began it.</summary>
internal sealed class Segment(long first, bool own)
{
    public const string Extension = ".log";

    public string Name { get; } = $"{first:D20}{Extension}";

    public long First => first;

    /// <summary>Begun by this run: its monotonic times mean something.</summary>
    public bool Own => own;

    /// <summary>Where its records end.</summary>
    public long End { get; set; }

    /// <summary>Records that are not released, read or not.</summary>
    public int Live { get; set; }

    /// <summary>Records that wait to be read.</summary>
    public int Unread { get; set; }

    public long UnreadBytes { get; set; }
}
