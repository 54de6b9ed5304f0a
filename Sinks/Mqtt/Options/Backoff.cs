namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>Pauses that double up to a limit, each with a random part taken off.</summary>
internal sealed class Backoff(MqttBackoffOptions options)
{
    private double _next = options.Initial.TotalSeconds;

    public TimeSpan Next()
    {
        var pause = _next;
        _next = Math.Min(_next * 2, options.Max.TotalSeconds);
        return TimeSpan.FromSeconds(pause * (1 - options.Jitter * Random.Shared.NextDouble()));
    }

    public void Reset() => _next = options.Initial.TotalSeconds;
}
