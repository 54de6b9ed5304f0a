using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Options of pauses between attempts (section <c>backoff</c> of cameras and of <c>mqtt</c>).</summary>
public sealed class BackoffOptions
{
    /// <summary>First pause; each further one is twice as long.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "01:00:00")]
    public TimeSpan Initial { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest pause.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "24:00:00")]
    public TimeSpan Max { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Largest share of a pause that is taken off at random, so that not all retry at once.</summary>
    [Range(0.0, 1.0)]
    public double Jitter { get; set; } = 0.2;
}

/// <summary>The pauses of <see cref="BackoffOptions"/>, one after the other.</summary>
public sealed class Backoff(BackoffOptions options, Random random)
{
    private int _steps;

    /// <summary>The next pause: twice the last one, up to the maximum, less its jitter.</summary>
    public TimeSpan Next()
    {
        // 2^30 times the smallest initial pause is beyond any maximum: no overflow however long a camera is away.
        var doubled = options.Initial.TotalSeconds * Math.Pow(2, Math.Min(_steps++, 30));
        var pause = Math.Min(doubled, options.Max.TotalSeconds);
        return TimeSpan.FromSeconds(pause * (1 - (options.Jitter * random.NextDouble())));
    }

    /// <summary>Makes the next pause the initial one.</summary>
    public void Reset() => _steps = 0;
}
