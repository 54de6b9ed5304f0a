using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>One video of a panoptic data set.</summary>
/// <param name="Pictures">File names of its maps, in order.</param>
public sealed record PanopticVideo(string Id, IReadOnlyList<string> Pictures);

/// <summary>
/// A panoptic data set as VIPSeg stores it: a JSON file with <c>videos</c>, <c>categories</c>, <c>annotations</c>, and
/// a folder of PNG maps a video, the id of a segment as R + 256 G + 65536 B. One frame is in memory at a time. Not
/// thread-safe.
/// </summary>
public sealed class VipsegTruth : IDisposable
{
    private static readonly string[] s_maps = ["panomasksRGB", "gt"];

    private readonly VipsegAnnotations _annotations;

    private VipsegTruth(VipsegAnnotations annotations) => _annotations = annotations;

    public string Path => _annotations.Path;

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<PanopticVideo> Videos { get; private set; } = [];

    public IReadOnlyList<Category> Categories { get; private set; } = [];

    /// <param name="path">The JSON file, or the folder that has one <c>panoptic_gt*.json</c>;
    /// the maps lie beside it in <c>panomasksRGB</c> or <c>gt</c>.</param>
    /// <exception cref="EvaluationException">Not readable or not a data set; names file, entry and field.</exception>
    public static VipsegTruth Open(string path)
    {
        var json = Directory.Exists(path) ? Only(path, Directory.GetFiles(path, "panoptic_gt*.json")) : path;
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(json))!;
        var maps = s_maps.Select(n => System.IO.Path.Combine(folder, n)).FirstOrDefault(Directory.Exists)
            ?? throw new EvaluationException($"{json}: beside it is no folder panomasksRGB or gt with the maps.");
        return Open(json, maps);
    }

    /// <param name="json">The JSON file.</param>
    /// <param name="maps">The folder with a folder of maps for each video.</param>
    /// <inheritdoc cref="Open(string)"/>
    public static VipsegTruth Open(string json, string maps)
    {
        var file = new JsonElements(json);
        var truth = new VipsegTruth(new VipsegAnnotations(file, maps));
        try
        {
            truth.Index(file);
            return truth;
        }
        catch
        {
            truth.Dispose();
            throw;
        }
    }

    /// <summary>The annotated frames of a video, read as they are taken.</summary>
    public IEnumerable<PanopticFrame> Frames(PanopticVideo video) => _annotations.Frames(video.Id, video.Pictures);

    public void Dispose() => _annotations.Dispose();

    private static string Only(string folder, string[] found) => found.Length == 1
        ? found[0]
        : throw new EvaluationException($"{folder}: found {found.Length} files panoptic_gt*.json, expected one.");

    private void Index(JsonElements file)
    {
        var videos = new Dictionary<string, PanopticVideo>();
        var categories = new Dictionary<int, Category>();
        file.Walk((list, index, place, json) =>
        {
            if (index < 0) return;
            var entry = new EntryReader(Path, $"{list}[{index}]", json);
            switch (list)
            {
                case "videos":
                    var video = new PanopticVideo(entry.String("video_id"),
                        [.. entry.List("images").EnumerateArray().Select((image, i) =>
                            new EntryReader(Path, $"videos[{index}].images[{i}]", image).String("file_name"))]);
                    if (!videos.TryAdd(video.Id, video))
                        throw entry.Wrong("video_id", $"'{video.Id}' a second time", "each once");
                    break;
                case "categories":
                    var category =
                        new Category(entry.Int("id", 0, int.MaxValue), entry.String("name"), entry.Flag("isthing"));
                    if (!categories.TryAdd(category.Id, category))
                        throw entry.Wrong("id", $"{category.Id} a second time", "each once");
                    break;
                case "annotations":
                    _annotations.Note(index, place, json);
                    break;
                default:
                    break;
            }
        });
        if (videos.Count == 0) throw new EvaluationException($"{Path}: videos: found nothing, expected a list.");
        if (categories.Count == 0)
            throw new EvaluationException($"{Path}: categories: found nothing, expected a list.");
        (Videos, Categories) = ([.. videos.Values], [.. categories.Values]);
    }
}
