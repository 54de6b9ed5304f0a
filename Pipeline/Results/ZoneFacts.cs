namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Results that an event of a zone or line was decided on.</summary>
public enum ZoneBasis { Provisional, Final }

/// <summary>Side from which a line was crossed, seen from its first point towards its second.</summary>
public enum LineDirection { LeftToRight, RightToLeft }

/// <summary>Facts of an event of a zone or line.</summary>
/// <param name="Name">Name of the zone, or of the line.</param>
/// <param name="DwellSeconds">With kind TrackZoneLeft: capture time between entering and leaving.</param>
/// <param name="Confirms">Id of the provisional event that this final one answers; null: none.</param>
/// <param name="Retracts">Id of the provisional event that this one takes back; null: none.</param>
public sealed record ZoneFacts(
    string Name, bool IsLine, ZoneBasis Basis, double? DwellSeconds, LineDirection? Direction, string? Confirms,
    string? Retracts);

/// <summary>Tracks inside a zone, by provisional results.</summary>
public readonly record struct ZoneCount(string Zone, int Tracks);
