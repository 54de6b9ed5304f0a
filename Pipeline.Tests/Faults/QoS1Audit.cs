using System.Text.Json;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary>What an independent client got of the messages that must not be lost.</summary>
internal static class QoS1Audit
{
    /// <summary>
    /// Numbers that are missing between the first and the last message of each topic and run of the service: finals and
    /// events. Repeated messages count once. State is left out: only the last of it is kept while the broker is away.
    /// </summary>
    public static int Lost(IEnumerable<ReceivedMessage> messages)
    {
        var lost = 0;
        foreach (var stream in Durable(messages).GroupBy(m => (m.Topic, m.Session)))
        {
            var seen = stream.Select(m => m.Sequence).Distinct().Order().ToList();
            lost += (int)(seen[^1] - seen.Count); // they count from 1
        }

        return lost;
    }

    /// <summary>Every frame of an epoch is covered by exactly one final, in order.</summary>
    public static void FinalsAreContiguous(IEnumerable<ReceivedMessage> messages)
    {
        foreach (var camera in messages.Where(m => m.Topic.EndsWith("/tracks/final", StringComparison.Ordinal))
            .GroupBy(m => m.Topic))
        {
            var next = new Dictionary<string, long>();
            var seen = new HashSet<(string, long)>();
            foreach (var message in camera)
            {
                using var document = JsonDocument.Parse(message.Payload);
                var root = document.RootElement;
                var (session, epoch) =
                    (root.GetProperty("session").GetString()!, root.GetProperty("epoch").GetString()!);
                if (!seen.Add((session, root.GetProperty("seq").GetInt64()))) continue; // again: QoS 1
                if (root.TryGetProperty("part", out var part) && part.GetInt32() > 1) continue;
                var window = root.GetProperty("window");
                var first = window.GetProperty("first_frame").GetInt64();
                Assert.Equal(next.GetValueOrDefault(epoch, first), first);
                next[epoch] = window.GetProperty("last_frame").GetInt64() + 1;
            }
        }
    }

    private static IEnumerable<(string Topic, string Session, long Sequence)> Durable(
        IEnumerable<ReceivedMessage> messages)
    {
        foreach (var message in messages.Where(m => m.Topic.EndsWith("/tracks/final", StringComparison.Ordinal)
            || m.Topic.EndsWith("/events", StringComparison.Ordinal)))
        {
            using var document = JsonDocument.Parse(message.Payload);
            yield return (message.Topic, document.RootElement.GetProperty("session")
                .GetString()!, document.RootElement.GetProperty("seq").GetInt64());
        }
    }
}
