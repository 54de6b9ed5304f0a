using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Pauses between attempts (section <c>backoff</c> of cameras and of <c>mqtt</c>).</summary>
public sealed class BackoffOptions
{
    /// <summary>First pause; each further one is twice as long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan Initial { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest pause.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "24:00:00")]
    public TimeSpan Max { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Share of a pause that is added or taken at random, so that not all return at once.</summary>
    [Range(0.0, 1.0)]
    public double Jitter { get; set; } = 0.2;
}

/// <summary>The pauses of <see cref="BackoffOptions"/>, one after the other.</summary>
public sealed class Backoff(BackoffOptions options, Random random)
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
