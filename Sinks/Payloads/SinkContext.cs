using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>What every sink must know of this run;
/// all but the cameras and the hash is fixed for the life of the process (<see cref="CamerasChanged"/>).</summary>
/// <param name="Node">Name of this machine's instance, <c>[a-z0-9_-]{1,64}</c>.</param>
/// <param name="Session">ULID of the process run.</param>
/// <param name="Version">Of the program.</param>
/// <param name="ConfigHash">Hash of the effective configuration, secrets left out.</param>
/// <param name="FinalDeadlineMs">Upper bound of how late a final result may come after its last frame.</param>
public sealed record SinkContext(
    string Node, string Session, string Version, string ConfigHash, int FinalDeadlineMs,
    SinkModel Model, IReadOnlyList<SinkCamera> Cameras);

/// <summary>The model as consumers see it.</summary>
/// <param name="LabelsId">Names the class map, for example <c>coco-80/1</c>.</param>
public sealed record SinkModel(
    string Name, string Version, ModelTask Task, string LabelsId,
    IReadOnlyList<ClassLabel> Classes, IReadOnlyList<SinkModelFile> Files);

/// <param name="Sha256">Lower-case hexadecimal.</param>
public sealed record SinkModelFile(string Name, string Sha256);
