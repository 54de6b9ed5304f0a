using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>A folder of panoptic results as the VIPSeg server takes it: <c>pred.json</c> and
/// <c>pan_pred/VIDEO/FRAME.png</c>. Not thread-safe.</summary>
public sealed class VipsegResults : IDisposable
{
    internal const string Json = "pred.json", Maps = "pan_pred";

    private readonly VipsegAnnotations _annotations;

    private VipsegResults(VipsegAnnotations annotations) => _annotations = annotations;

    /// <param name="truth">Whose videos all have to be there.</param>
    /// <exception cref="EvaluationException">Not readable, or a video is missing; names file,
    /// entry and field.</exception>
    public static VipsegResults Open(string folder, VipsegTruth truth)
    {
        var file = new JsonElements(Path.Combine(folder, Json));
        var results = new VipsegResults(new VipsegAnnotations(file, Path.Combine(folder, Maps)));
        try
        {
            file.Walk((list, index, place, json) =>
            {
                if (list == "annotations" && index >= 0) results._annotations.Note(index, place, json);
            });
            foreach (var video in truth.Videos)
                if (!results._annotations.Has(video.Id))
                    throw new EvaluationException(
                        $"{file.Path}: annotations: found nothing of the video '{video.Id}', which {truth.Path} has.");
            return results;
        }
        catch
        {
            results.Dispose();
            throw;
        }
    }

    /// <summary>The predicted frames of a video, read as they are taken.</summary>
    public IEnumerable<PanopticFrame> Frames(PanopticVideo video) => _annotations.Frames(video.Id, video.Pictures);

    public void Dispose() => _annotations.Dispose();
}
