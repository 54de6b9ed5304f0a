using System.Globalization;

namespace Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

/// <summary>File of records with rising sequences, named by the first; only the run that began it appends.</summary>
/// <param name="own">Begun by this run, whose monotonic times its records have.</param>
internal sealed class Segment(long first, bool own)
{
    private const string Extension = ".log";

    public string Name { get; } = $"{first:D20}{Extension}";

    public bool Own => own;

    /// <summary>Offset behind the last record.</summary>
    public long End { get; set; }

    /// <summary>Records that are not released, read or not.</summary>
    public int Live { get; set; }

    /// <summary>Records that wait to be read.</summary>
    public int Unread { get; set; }

    public long UnreadBytes { get; set; }

    /// <summary>First sequence of the file of this name; null when it is not a segment.</summary>
    public static long? FirstOf(string name)
        => name.EndsWith(Extension, StringComparison.Ordinal) && long.TryParse(name.AsSpan(..^Extension.Length),
            NumberStyles.None, CultureInfo.InvariantCulture, out var first) ? first : null;
}
