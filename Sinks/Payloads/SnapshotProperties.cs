using System.Globalization;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>What MQTT 5 says of a snapshot beside its JPEG, as user properties.</summary>
internal static class SnapshotProperties
{
    public static KeyValuePair<string, string>[] Of(TrackSnapshot snapshot, SinkModel model)
    {
        var label = model.Classes.FirstOrDefault(c => c.Id == snapshot.ClassId)?.Name ?? "unknown";
        return
        [
            new("track", snapshot.Id), new("class_id", Text($"{snapshot.ClassId}")), new("label", label),
            new("score", Text($"{snapshot.Score:0.###}")), new("frame_id", Text($"{snapshot.Frame.FrameId}")),
            new("stamp", snapshot.Frame.Capture.Stamp.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)),
            new("box", Text(snapshot.Box)), new("crop", Text(snapshot.Crop)),
        ];
    }

    private static string Text(Box box) => Text($"{box.X:0.#},{box.Y:0.#},{box.Width:0.#},{box.Height:0.#}");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
