namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Life of a track: named after the field (tentative, active, lost, ended).</summary>
public enum TrackState { Tentative, Active, Lost, Ended }
