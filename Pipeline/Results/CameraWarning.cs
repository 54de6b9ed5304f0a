namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Kinds of <see cref="CameraWarning"/>, one snake-case word on the wire.</summary>
public enum CameraWarningKind
{
    /// <summary>The model was trained on rendered scenes and the camera is a real one.</summary>
    ModelDomain,
}

/// <summary>What a person should change about a camera that works; holds until the configuration changes.</summary>
/// <param name="Detail">A sentence for a person, without secrets.</param>
public sealed record CameraWarning(CameraWarningKind Kind, string Detail);
