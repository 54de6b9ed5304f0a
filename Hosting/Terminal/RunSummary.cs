using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>What a timed run came to, and whether it really delivered.</summary>
internal static class RunSummary
{
    private static readonly string[] Kinds = ["tracks", "final", "event", "state", "masks"];

    public static IEnumerable<string> Lines(RunStatistics statistics, bool mqtt)
    {
        foreach (var c in statistics.Cameras)
        {
            var dropped = string.Join(", ", c.DroppedBy.Select(d => $"{d.Value} {d.Key}"));
            yield return $"{c.Name}: {c.FramesIn} frames in, {c.Provisional} processed, {c.Final} final, {c.FramesIn - c.Provisional} without a result{(dropped.Length > 0 ? $" (dropped: {dropped})" : "")}";
            yield return $"{c.Name}: {c.Epochs} {(c.Epochs == 1 ? "epoch" : "epochs")}, {c.TracksStarted} {(c.TracksStarted == 1 ? "track" : "tracks")} started";
            yield return $"{c.Name}: latency provisional {Latency(c.ProvisionalLatency)}; final {Latency(c.FinalLatency)}";
        }

        if (!mqtt) yield break;
        var acknowledged = Kinds.Select(kind => Acknowledged(statistics.Mqtt, kind));
        yield return $"mqtt: acknowledged by the broker {string.Join(", ", acknowledged)}";
        var lost = string.Join(", ", Lost(statistics.Mqtt).Select(l => $"{l.Outcome} {l.Count}"));
        if (lost.Length > 0) yield return $"mqtt: not delivered: {lost}";
    }

    /// <summary>Why nothing, or not everything, was delivered; null when all is well.</summary>
    public static string? Shortfall(RunStatistics statistics, bool mqtt)
    {
        if (!statistics.Cameras.Any(c => c.Provisional > 0)) return "no frame got a provisional result";
        if (!statistics.Cameras.Any(c => c.Final > 0)) return "no frame got a final result";
        if (!mqtt) return null;
        if (statistics.Mqtt.Messages("tracks", "acked") == 0) return "the broker acknowledged no provisional result";
        if (statistics.Mqtt.Messages("final", "acked") == 0) return "the broker acknowledged no final result";
        foreach (var kind in Kinds)
            if (statistics.Mqtt.Messages(kind, "acked") < statistics.Mqtt.Messages(kind, "sent"))
                return $"the broker acknowledged {statistics.Mqtt.Messages(kind, "acked")} of "
                    + $"{statistics.Mqtt.Messages(kind, "sent")} messages of the kind {kind}";
        return Lost(statistics.Mqtt).Select(l => $"{l.Count} MQTT messages {l.Outcome}").FirstOrDefault();
    }

    private static string Acknowledged(MqttStatus mqtt, string kind) =>
        $"{kind} {mqtt.Messages(kind, "acked")} of {mqtt.Messages(kind, "sent")}";

    private static IEnumerable<(string Outcome, long Count)> Lost(MqttStatus mqtt) =>
        ((string[])["dropped", "failed", "expired"]).Select(o => (o, mqtt.Messages(o))).Where(l => l.Item2 > 0);

    private static string Latency(LatencyHistogram h) => h.Count == 0
        ? "none"
        : FormattableString.Invariant($"p50 {h.Percentile(.5) * 1000:0.0} p95 {h.Percentile(.95) * 1000:0.0} p99 {h.Percentile(.99) * 1000:0.0} ms");
}
