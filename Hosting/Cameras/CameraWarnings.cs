using System.Collections.Immutable;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Hosting.Cameras;

/// <summary>Decides what is wrong with a camera that nevertheless works.</summary>
internal static class CameraWarnings
{
    /// <summary>Warnings about a camera with this model; empty: none.</summary>
    public static ImmutableArray<CameraWarning> Of(ModelManifest model, CameraOptions camera)
    {
        if (model.Domain == ModelDomain.Real || camera.IsRendered) return [];
        return [new(CameraWarningKind.ModelDomain, ModelDomainDetail(model.Name))];
    }

    private static string ModelDomainDetail(string model)
        => $"The model '{model}' was trained on rendered shapes; it does not recognise objects of a real camera. "
            + "Set model.path to Models/default.";
}
