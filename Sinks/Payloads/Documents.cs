using System.Text.Json;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Limits of messages for consumers.</summary>
/// <param name="Qos">Highest QoS that the broker accepts, 0 or 1.</param>
/// <param name="Retain">False when the broker refuses retained messages.</param>
internal readonly record struct MessageLimits(int MaxMessageBytes, int MaxMaskBytes, int Qos, bool Retain);

/// <summary>The retained documents of a run: birth certificate (<c>dvis.status/1.1</c>) and class map
/// (<c>dvis.labels/1.0</c>). A retained topic holds one message, so there are no parts: entries that do not fit are
/// left out and counted in <c>…_omitted</c>.</summary>
internal static class Documents
{
    public static byte[] Status(SinkContext context, DateTimeOffset started, MessageLimits limits, int budget)
    {
        var (model, cameras) = (context.Model, context.Cameras);
        return Fit(budget, cameras.Count, count => new
        {
            Schema = Schemas.Status,
            context.Session,
            context.Node,
            context.Version,
            Started = new { Sec = started.ToUnixTimeSeconds(), Nsec = JsonText.Nanoseconds(started) },
            context.ConfigHash,
            Schemas = Published(model.Task),
            Model = new
            {
                model.Name,
                model.Version,
                Task = EnumName.Of(model.Task),
                model.LabelsId,
                model.Files,
            },
            Limits = new
            {
                context.FinalDeadlineMs,
                limits.MaxMessageBytes,
                limits.MaxMaskBytes,
                limits.Qos,
                limits.Retain,
            },
            Cameras = cameras.Take(count).Select(camera => new
            {
                camera.Name,
                Masks = camera.Publish.Masks == MaskOutput.On,
                camera.Publish.MaskGrid,
                camera.Publish.Contours,
                Map = model.Task == ModelTask.Vis ? null : MapName(camera.Publish.Map),
            }),
            CamerasOmitted = cameras.Count - count,
        });
    }

    public static byte[] Labels(SinkModel model, int budget)
        => Fit(budget, model.Classes.Count, count => new
        {
            Schema = Schemas.Labels,
            model.LabelsId,
            Classes = model.Classes.Take(count).Select(c => new { c.Id, c.Name, c.Kind, c.Color }),
            ClassesOmitted = model.Classes.Count - count,
        });

    private static string[] Published(ModelTask task)
    {
        string[] always = [Schemas.Event, Schemas.State, Schemas.Status, Schemas.Labels, Schemas.Masks];
        return task == ModelTask.Vis
            ? [Schemas.Tracks, Schemas.Final, .. always]
            : [Schemas.Segments, Schemas.SegmentsFinal, .. always, Schemas.Maps];
    }

    private static string MapName(MapOutput map) => EnumName.Of(map == MapOutput.Auto ? MapOutput.Runs : map);

    // The largest number of list entries that fits, found by halving: this happens once per run.
    private static byte[] Fit(int budget, int count, Func<int, object> content)
    {
        var (fits, tooMany) = (0, count + 1);
        for (var entries = count; tooMany - fits > 1; entries = (fits + tooMany) / 2)
        {
            if (Encode(entries).Length <= budget) fits = entries;
            else tooMany = entries;
        }

        return Encode(fits);

        byte[] Encode(int entries) => JsonSerializer.SerializeToUtf8Bytes(content(entries), JsonText.Serializer);
    }
}
