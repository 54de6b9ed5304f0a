using System.ComponentModel.DataAnnotations;

namespace Dvis.Streaming.Sources.Options;

/// <summary>Requested format of a capture device (<c>cameras.&lt;name&gt;.v4l2</c>).</summary>
public sealed class DeviceOptions : IValidatableObject
{
    /// <summary>Pixels; 0: 640, or the nearest.</summary>
    [Range(0, 16384)] public int Width { get; set; }

    /// <summary>Pixels; 0: 480, or the nearest.</summary>
    [Range(0, 16384)] public int Height { get; set; }

    /// <summary>Frames per second, or the nearest; 0: 30.</summary>
    [Range(0.0, 1000.0)] public double Fps { get; set; }

    /// <summary>Pixel format on the cable.</summary>
    public DeviceFormat Format { get; set; }

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Width == 0 != (Height == 0))
            yield return new ValidationResult("width and height must be set together", [nameof(Width), nameof(Height)]);
    }
}

/// <summary>Pixel formats of capture devices, by their V4L2 codes.</summary>
public enum DeviceFormat
{
    /// <summary>The first supported one.</summary>
    Auto,

    /// <summary>Motion JPEG: full rate at large sizes over USB 2.</summary>
    Mjpg,

    /// <summary>YUV 4:2:2, uncompressed.</summary>
    Yuyv, Uyvy,

    /// <summary>YUV 4:2:0, uncompressed.</summary>
    Nv12, Yu12,

    /// <summary>Brightness only.</summary>
    Grey,
}
