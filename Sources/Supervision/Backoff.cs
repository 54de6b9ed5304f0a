using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Supervision;

/// <summary>The pauses of <see cref="BackoffOptions"/>, one after the other.</summary>
internal sealed class Backoff(BackoffOptions options, Random random)
{
    private int _steps;

    /// <summary>The next pause: twice the last one, up to the maximum, with jitter (which never exceeds the maximum).</summary>
    public TimeSpan Next()
    {
        // 2^30 times the smallest initial pause is beyond any maximum: no overflow however long a camera is away.
        var pause = Math.Min(options.Initial.TotalSeconds * Math.Pow(2, Math.Min(_steps++, 30)), options.Max.TotalSeconds);
        var jitter = 1 + (options.Jitter * ((2 * random.NextDouble()) - 1));
        return TimeSpan.FromSeconds(Math.Min(pause * jitter, options.Max.TotalSeconds));
    }

    /// <summary>All is well again: the next pause is the initial one.</summary>
    public void Reset() => _steps = 0;
}
