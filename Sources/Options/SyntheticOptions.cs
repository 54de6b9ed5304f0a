using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Sources.Options;

/// <summary>Rendered scene (<c>cameras.&lt;name&gt;.synthetic</c>): the same options give the same frames.</summary>
public sealed class SyntheticOptions
{
    [Range(16, 4096)] public int Width { get; set; } = 512;

    [Range(16, 4096)] public int Height { get; set; } = 320;

    [Range(0.1, 1000.0)] public double Fps { get; set; } = 25;

    /// <summary>Seed of the random numbers: another seed is another scene.</summary>
    [Range(0, int.MaxValue)] public int Seed { get; set; }

    /// <summary>Difficulty; <c>heavy</c> has occlusions, look-alikes and a moving camera.</summary>
    public SceneTier Tier { get; set; } = SceneTier.Everyday;

    /// <summary>Moving objects; 0: as many as the tier draws.</summary>
    [Range(0, 32)] public int Objects { get; set; }

    /// <summary>Frames until the stream ends; 0: endless.</summary>
    [Range(0, int.MaxValue)] public int Frames { get; set; }

    /// <summary>True: paced like a camera, skipping frames that are not read in time; false: all, unpaced.</summary>
    public bool Realtime { get; set; } = true;

    /// <summary>Draws the frame number as a machine-readable strip at the top left.</summary>
    public bool Strip { get; set; } = true;
}

/// <summary>Difficulty of a rendered scene.</summary>
public enum SceneTier { Light, Everyday, Heavy }
