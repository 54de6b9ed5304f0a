using System.Text.Json;
using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>
/// A data set in YouTube-VIS or OVIS form (<c>videos</c>, <c>categories</c>, <c>annotations</c>). The file is indexed
/// once; masks are read video by video, so memory holds those of one video only. Not thread-safe.
/// </summary>
public sealed class YtvisTruth : IDisposable
{
    private readonly JsonElements _file;
    private readonly Dictionary<long, List<(int Entry, JsonPlace Place)>> _places = [];

    private YtvisTruth(JsonElements file) => _file = file;

    public string Path => _file.Path;

    /// <summary>In the file's order.</summary>
    public IReadOnlyList<VideoInfo> Videos { get; private set; } = [];

    public IReadOnlyList<Category> Categories { get; private set; } = [];

    /// <summary>Groups of objects by how much is hidden of them, as the annotations name them;
    /// none in most data sets.</summary>
    public IReadOnlyList<string> OcclusionGroups { get; private set; } = [];

    /// <summary>False for the test sets, whose annotations are kept by the evaluation server.</summary>
    public bool HasAnnotations => _places.Count > 0;

    /// <exception cref="EvaluationException">Not readable, no JSON or not a data set;
    /// names file, entry and field.</exception>
    public static YtvisTruth Open(string path)
    {
        var truth = new YtvisTruth(new JsonElements(path));
        try
        {
            truth.Index();
            return truth;
        }
        catch
        {
            truth.Dispose();
            throw;
        }
    }

    /// <summary>The annotated objects of one video.</summary>
    /// <exception cref="EvaluationException">An annotation is wrong; names file, entry and field.</exception>
    public IReadOnlyList<TruthInstance> Objects(VideoInfo video) =>
        [.. _places.GetValueOrDefault(video.Id, []).Select(p => Read(video, p.Entry, p.Place))];

    public void Dispose() => _file.Dispose();

    private void Index()
    {
        var videos = new Dictionary<long, VideoInfo>();
        var categories = new Dictionary<int, Category>();
        var annotations = new Dictionary<long, (int Entry, long Video, int Category)>();
        var groups = new SortedSet<string>(StringComparer.Ordinal);
        _file.Walk((list, index, place, json) =>
        {
            if (index < 0) return;
            var entry = new EntryReader(Path, $"{list}[{index}]", json);
            switch (list)
            {
                case "videos":
                    var video = Video(entry);
                    if (!videos.TryAdd(video.Id, video))
                        throw entry.Wrong("id", $"{video.Id} a second time", "each once");
                    break;
                case "categories":
                    var category = new Category(entry.Int("id", 0, int.MaxValue), entry.String("name"));
                    if (!categories.TryAdd(category.Id, category))
                        throw entry.Wrong("id", $"{category.Id} a second time", "each once");
                    break;
                case "annotations":
                    // The official evaluator takes the id 0 for "no match".
                    var id = entry.Integer("id", 1, long.MaxValue);
                    var of = entry.Integer("video_id", long.MinValue, long.MaxValue);
                    if (!annotations.TryAdd(id, (index, of, entry.Int("category_id", 0, int.MaxValue))))
                        throw entry.Wrong("id", $"{id} a second time", "each once");
                    if (entry.Has("occlusion")) groups.Add(entry.String("occlusion"));
                    if (!_places.TryGetValue(of, out var places)) _places[of] = places = [];
                    places.Add((index, place));
                    break;
                default:
                    break;
            }
        });
        if (videos.Count == 0) throw new EvaluationException($"{Path}: videos: found nothing, expected a list.");
        if (categories.Count == 0)
            throw new EvaluationException($"{Path}: categories: found nothing, expected a list.");

        // Known only now: the lists may come in any order.
        foreach (var (index, video, category) in annotations.Values)
        {
            if (!videos.ContainsKey(video))
                throw new EvaluationException(
                    $"{Path}: annotations[{index}]: video_id: found {video}, videos has no such id.");
            if (!categories.ContainsKey(category))
                throw new EvaluationException(
                    $"{Path}: annotations[{index}]: category_id: found {category}, categories has no such id.");
        }

        (Videos, Categories, OcclusionGroups) = ([.. videos.Values], [.. categories.Values], [.. groups]);
    }

    private static VideoInfo Video(in EntryReader entry)
    {
        string[] names = entry.Has("file_names") ? [.. entry.List("file_names").EnumerateArray()
            .Select(n => n.ValueKind == JsonValueKind.String ? n.GetString()! : "")] : [];
        var length = entry.Has("length") || names.Length == 0 ? entry.Int("length", 1, 1_000_000) : names.Length;
        if (names.Length > 0 && names.Length != length)
            throw entry.Wrong("file_names", $"{names.Length} names", $"one for each of the {length} frames");
        return new VideoInfo(entry.Integer("id", long.MinValue, long.MaxValue), entry.Int("width", 1, 1 << 15),
            entry.Int("height", 1, 1 << 15), length, names);
    }

    private TruthInstance Read(VideoInfo video, int index, JsonPlace place)
    {
        using var document = _file.Read(place);
        var entry = new EntryReader(Path, $"annotations[{index}]", document.RootElement);
        var truth = new TruthInstance(entry.Integer("id", 1, long.MaxValue), entry.Int("category_id", 0, int.MaxValue),
            entry.Flag("iscrowd"),
            entry.Masks("segmentations", video.Width, video.Height, video.Length))
        {
            Occlusion = entry.Has("occlusion") ? entry.String("occlusion") : null,
        };
        return entry.Has("areas") ? truth with { MeanArea = MeanArea(entry) } : truth;
    }

    /// <summary>The official evaluator trusts the file's areas.</summary>
    private static double MeanArea(EntryReader entry)
    {
        var (sum, seen) = (0.0, 0);
        foreach (var (i, item) in entry.List("areas").EnumerateArray().Index())
        {
            if (item.ValueKind == JsonValueKind.Null) continue;
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetDouble(out var area) || !double.IsFinite(area))
                throw entry.Wrong($"areas[{i}]", item.GetRawText(), "a number or null");
            if (area != 0) (sum, seen) = (sum + area, seen + 1);
        }

        return seen == 0 ? 0 : sum / seen;
    }
}
