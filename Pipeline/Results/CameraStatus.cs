using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Pipeline.Results;

public enum CameraState { Starting, Online, Degraded, Offline, Disabled }

/// <summary>Retained state of a camera, from its supervisor.</summary>
/// <param name="Detail">Redacted text for a person, or null.</param>
/// <param name="Attempt">Connection attempts since the last good frame; 0 when online.</param>
/// <param name="NextRetrySeconds">Null when no retry is planned.</param>
public sealed record CameraStatus(
    string Camera, CameraState State, DateTimeOffset Since, SourceFault Reason, string? Detail,
    int Attempt, double? NextRetrySeconds, double FpsIn, double FpsOut, FrameInfo? LastFrame, string? Codec,
    string? Epoch) : PipelineMessage(Camera)
{
    /// <summary>What a person should change although the camera works.</summary>
    public ImmutableArray<CameraWarning> Warnings { get; init; } = [];

    /// <summary>True while frames come faster than the model takes them.</summary>
    public bool Overloaded { get; init; }

    /// <summary>Share of the frames of the last ten seconds that were dropped for it, 0 … 1.</summary>
    public double DroppedShare { get; init; }

    /// <summary>True when the source has failed for good and is not tried again. Not published.</summary>
    public bool IsFailure { get; init; }

    public override bool IsDurable => true;
}

/// <summary>What a person should change about a camera that works; holds until the configuration changes.</summary>
/// <param name="Detail">A sentence for a person, without secrets.</param>
public sealed record CameraWarning(CameraWarningKind Kind, string Detail);

/// <summary>Kinds of <see cref="CameraWarning"/>, one snake-case word on the wire.</summary>
public enum CameraWarningKind
{
    /// <summary>The model was trained on rendered scenes and the camera is a real one.</summary>
    ModelDomain,
}
