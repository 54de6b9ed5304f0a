namespace Dvis.Streaming.Sinks.Mqtt.Messages;

/// <summary>Topic filters (MQTT 5, 4.7).</summary>
internal static class TopicFilter
{
    /// <param name="filter">With <c>+</c> for one level and <c>#</c> for all that follow.</param>
    public static bool Matches(string filter, string topic)
    {
        var (wanted, levels) = (filter.Split('/'), topic.Split('/'));
        for (var i = 0; i < wanted.Length; i++)
        {
            if (wanted[i] == "#") return true;
            if (i == levels.Length || (wanted[i] != "+" && wanted[i] != levels[i])) return false;
        }

        return wanted.Length == levels.Length;
    }
}
