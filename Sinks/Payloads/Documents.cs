using System.Text.Json;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// The retained documents of a run: birth certificate (<c>dvis.status/1.0</c>) and class map (<c>dvis.labels/1.0</c>).
/// A retained topic has one message, so these cannot go in parts: what does not fit is left out and counted in
/// <c>…_omitted</c>.
/// </summary>
internal static class Documents
{
    public static byte[] Status(SinkContext context, DateTimeOffset started, int maxMessageBytes, int maxMaskBytes,
        int budget)
        => Fit(budget, context.Cameras.Count, (w, cameras) =>
        {
            w.WriteString("schema"u8, Schemas.Status);
            w.WriteString("session"u8, context.Session);
            w.WriteString("node"u8, context.Node);
            w.WriteString("version"u8, context.Version);
            w.Stamp("started"u8, started);
            w.WriteString("config_hash"u8, context.ConfigHash);
            w.WriteStartArray("schemas"u8);
            foreach (var schema in Spoken(context.Model.Task)) w.WriteStringValue(schema);
            w.WriteEndArray();
            WriteModel(w, context.Model);
            w.WriteStartObject("limits"u8);
            w.WriteNumber("final_deadline_ms"u8, context.FinalDeadlineMs);
            w.WriteNumber("max_message_bytes"u8, maxMessageBytes);
            w.WriteNumber("max_mask_bytes"u8, maxMaskBytes);
            w.WriteEndObject();
            w.WriteStartArray("cameras"u8);
            foreach (var camera in context.Cameras.Take(cameras)) WriteCamera(w, camera, context.Model.Task);
            w.WriteEndArray();
            w.WriteNumber("cameras_omitted"u8, context.Cameras.Count - cameras);
        });

    public static byte[] Labels(SinkModel model, int budget)
        => Fit(budget, model.Classes.Count, (w, classes) =>
        {
            w.WriteString("schema"u8, Schemas.Labels);
            w.WriteString("labels_id"u8, model.LabelsId);
            w.WriteStartArray("classes"u8);
            foreach (var label in model.Classes.Take(classes)) WriteClass(w, label);
            w.WriteEndArray();
            w.WriteNumber("classes_omitted"u8, model.Classes.Count - classes);
        });

    private static void WriteModel(Utf8JsonWriter w, SinkModel model)
    {
        w.WriteStartObject("model"u8);
        w.WriteString("name"u8, model.Name);
        w.WriteString("version"u8, model.Version);
        w.WriteString("task"u8, WireName<ModelTask>.Json(model.Task));
        w.WriteString("labels_id"u8, model.LabelsId);
        w.WriteStartArray("files"u8);
        foreach (var file in model.Files)
        {
            w.WriteStartObject();
            w.WriteString("name"u8, file.Name);
            w.WriteString("sha256"u8, file.Sha256);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        w.WriteEndObject();
    }

    private static string[] Spoken(ModelTask task)
    {
        string[] always = [Schemas.Event, Schemas.State, Schemas.Status, Schemas.Labels, Schemas.Masks];
        return task == ModelTask.Vis
            ? [Schemas.Tracks, Schemas.Final, .. always]
            : [Schemas.Segments, Schemas.SegmentsFinal, .. always, Schemas.Maps];
    }

    private static void WriteCamera(Utf8JsonWriter w, SinkCamera camera, ModelTask task)
    {
        w.WriteStartObject();
        w.WriteString("name"u8, camera.Name);
        w.WriteBoolean("masks"u8, camera.Publish.Masks == MaskOutput.On);
        w.WriteNumber("mask_grid"u8, camera.Publish.MaskGrid);
        w.WriteBoolean("contours"u8, camera.Publish.Contours);
        if (task != ModelTask.Vis)
        {
            var map = camera.Publish.Map == MapOutput.Auto ? MapOutput.Runs : camera.Publish.Map;
            w.WriteString("map"u8, WireName<MapOutput>.Json(map));
        }

        w.WriteEndObject();
    }

    private static void WriteClass(Utf8JsonWriter w, ClassLabel label)
    {
        w.WriteStartObject();
        w.WriteNumber("id"u8, label.Id);
        w.WriteString("name"u8, label.Name);
        w.WriteString("kind"u8, label.Kind);
        w.WriteString("color"u8, label.Color);
        w.WriteEndObject();
    }

    // The largest number of list entries that fits, found by halving: this happens once a run.
    private static byte[] Fit(int budget, int count, Action<Utf8JsonWriter, int> write)
    {
        using var buffer = new PayloadBuffer();
        var (fits, tooMany) = (0, count + 1);
        for (var entries = count; tooMany - fits > 1; entries = (fits + tooMany) / 2)
        {
            if (Encode(entries).Length <= budget) fits = entries;
            else tooMany = entries;
        }

        return Encode(fits).ToArray();

        ReadOnlyMemory<byte> Encode(int entries)
        {
            var w = buffer.Begin();
            w.WriteStartObject();
            write(w, entries);
            w.WriteEndObject();
            return buffer.End();
        }
    }
}
