using System.Text.Json;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Class names by id, ready for JSON.</summary>
internal sealed class LabelTable(SinkModel model)
{
    private readonly Dictionary<int, (ClassLabel Class, JsonEncodedText Name)> _byId =
        model.Classes.ToDictionary(c => c.Id, c => (c, JsonEncodedText.Encode(c.Name, JsonText.Encoder)));

    /// <summary>Names the class map: consumers look it up in the retained labels.</summary>
    public JsonEncodedText Id { get; } = JsonEncodedText.Encode(model.LabelsId, JsonText.Encoder);

    public IReadOnlyList<ClassLabel> Classes => model.Classes;

    public bool IsThing(int classId) => _byId.TryGetValue(classId, out var known) && known.Class.IsThing;

    /// <summary>A class the model does not know is a bug, but a wrong name is better than a lost message.</summary>
    public JsonEncodedText Name(int classId) =>
        _byId.TryGetValue(classId, out var known) ? known.Name : JsonText.Unknown;
}
