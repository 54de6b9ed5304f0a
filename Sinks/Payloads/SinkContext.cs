using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Facts of this run for all sinks; only <see cref="CamerasChanged"/> changes cameras and hash.</summary>
/// <param name="Node">Name of this instance, <c>[a-z0-9_-]{1,64}</c>.</param>
/// <param name="Session">ULID of the process run.</param>
/// <param name="Version">Version of the program.</param>
/// <param name="ConfigHash">Hash of the effective configuration without secrets.</param>
/// <param name="FinalDeadlineMs">Longest time from the last frame of a final result to the result.</param>
public sealed record SinkContext(
    string Node, string Session, string Version, string ConfigHash, int FinalDeadlineMs,
    SinkModel Model, IReadOnlyList<SinkCamera> Cameras);

/// <summary>Description of the model for consumers.</summary>
/// <param name="LabelsId">Id of the class map, for example <c>coco-80/1</c>.</param>
public sealed record SinkModel(
    string Name, string Version, ModelTask Task, string LabelsId,
    IReadOnlyList<ClassLabel> Classes, IReadOnlyList<SinkModelFile> Files);

/// <param name="Sha256">Lower-case hexadecimal.</param>
public sealed record SinkModelFile(string Name, string Sha256);
