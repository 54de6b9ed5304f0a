using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>Summary of a run.</summary>
internal static class RunSummary
{
    public static IEnumerable<string> Lines(RunState state, bool mqtt)
    {
        foreach (var c in state.Cameras.Select(c => c.Counts))
        {
            var dropped = string.Join(", ", c.DroppedBy.Select(d => $"{d.Value} {d.Key}"));
            var (epochs, tracks) = (c.Epochs == 1 ? "epoch" : "epochs", c.TracksStarted == 1 ? "track" : "tracks");
            var reasons = dropped.Length > 0 ? $" (dropped: {dropped})" : "";
            var without = $"{c.FramesIn - c.Provisional} without a result{reasons}";
            yield return $"{c.Name}: {c.FramesIn} frames in, {c.Provisional} processed, {c.Final} final, {without}";
            yield return $"{c.Name}: {c.Epochs} {epochs}, {c.TracksStarted} {tracks} started";
            var (provisional, final) = (Latency(c.ProvisionalLatency), Latency(c.FinalLatency));
            yield return $"{c.Name}: latency provisional {provisional}; final {final}";
        }

        if (!mqtt) yield break;
        var messages = string.Join(", ", Kinds.All.Select(kind => Delivered(state.Mqtt, kind)));
        yield return state.Mqtt.Acknowledges
            ? $"mqtt: acknowledged by the broker {messages}"
            : $"mqtt: sent to the broker, which acknowledges nothing (QoS 0 only) {messages}";
        var lost = string.Join(", ", Lost(state.Mqtt).Select(l => $"{l.Outcome} {l.Count}"));
        if (lost.Length > 0) yield return $"mqtt: not delivered: {lost}";
    }

    /// <summary>Reason why nothing, or not everything, was delivered; null: all was.</summary>
    public static string? Shortfall(RunState state, bool mqtt)
    {
        if (!state.Cameras.Any(c => c.Counts.Provisional > 0)) return "no frame got a provisional result";
        if (!state.Cameras.Any(c => c.Counts.Final > 0)) return "no frame got a final result";
        if (!mqtt) return null;
        var (outcome, did) = state.Mqtt.Acknowledges
            ? ("acked", "the broker acknowledged")
            : ("sent", "the broker got");
        if (state.Mqtt.Messages("tracks", outcome) == 0) return $"{did} no provisional result";
        if (state.Mqtt.Messages("final", outcome) == 0) return $"{did} no final result";
        foreach (var kind in Kinds.All)
            if (state.Mqtt.Messages(kind, outcome) < state.Mqtt.Messages(kind, "sent"))
                return $"the broker acknowledged {state.Mqtt.Messages(kind, "acked")} of "
                    + $"{state.Mqtt.Messages(kind, "sent")} messages of the kind {kind}";
        return Lost(state.Mqtt).Select(l => $"{l.Count} MQTT messages {l.Outcome}").FirstOrDefault();
    }

    private static string Delivered(MqttStatus mqtt, string kind) => mqtt.Acknowledges
        ? $"{kind} {mqtt.Messages(kind, "acked")} of {mqtt.Messages(kind, "sent")}"
        : $"{kind} {mqtt.Messages(kind, "sent")}";

    private static IEnumerable<(string Outcome, long Count)> Lost(MqttStatus mqtt) =>
        ((string[])["dropped", "failed", "expired"]).Select(o => (o, mqtt.Messages(o))).Where(l => l.Item2 > 0);

    private static string Latency(LatencyHistogram h)
    {
        double Ms(double fraction) => h.Percentile(fraction) * 1000;
        return h.Count == 0 ? "none" : $"p50 {Ms(.5):0.0} p95 {Ms(.95):0.0} p99 {Ms(.99):0.0} ms";
    }
}
