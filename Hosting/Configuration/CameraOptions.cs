using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Zones;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Options that every camera inherits (section <c>defaults</c>).</summary>
internal sealed class CameraDefaults
{
    [Inline] public SourceSettings Source { get; } = new();

    [Inline] public ResultOptions Results { get; } = new();
}

/// <summary>One camera (section <c>cameras.&lt;name&gt;</c>): its source, and what differs from the defaults.</summary>
internal sealed class CameraOptions : IValidatableObject
{
    /// <summary>Content of the frames; a model that was trained on something else gets a warning.</summary>
    public CameraDomain Domain { get; set; }

    [Inline] public SourceOptions Source { get; } = new();

    [Inline] public ResultOptions Results { get; } = new();

    /// <summary>Polygons that tracks enter and leave, by name.</summary>
    public Dictionary<string, ZoneOptions> Zones { get; set; } = [];

    /// <summary>Lines that tracks cross, by name.</summary>
    public Dictionary<string, LineOptions> Lines { get; set; } = [];

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
        Source.Validate(validationContext);

    /// <summary>Warnings about this camera with a model; empty: none.</summary>
    public ImmutableArray<CameraWarning> WarningsWith(ModelManifest model)
    {
        var isRendered = Domain == CameraDomain.Rendered
            || (Domain == CameraDomain.Auto && Source.Synthetic is not null);
        return model.Domain == ModelDomain.Real || isRendered
            ? []
            : [new(CameraWarningKind.ModelDomain,
                $"The model '{model.Name}' was trained on rendered shapes; it does not recognise objects of a real "
                + "camera. Set model.path to Models/default.")];
    }
}

/// <summary>Content of a camera's frames.</summary>
internal enum CameraDomain
{
    /// <summary>Rendered scenes when the source is <c>synthetic</c>, else the real world.</summary>
    Auto,

    /// <summary>The real world.</summary>
    Real,

    /// <summary>Scenes that a program has drawn, such as a rendered file.</summary>
    Rendered,
}
