using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>
/// A results file as the YouTube-VIS and OVIS servers take it: a list of <c>video_id, category_id, score,
/// segmentations</c>. It is indexed once and read video by video, so memory holds the masks of one video only. Not
/// thread-safe.
/// </summary>
public sealed class YtvisResults : IDisposable
{
    private readonly JsonElements _file;
    private readonly Dictionary<long, List<(int Entry, JsonPlace Place)>> _places = [];

    private YtvisResults(JsonElements file) => _file = file;

    public string Path => _file.Path;

    /// <summary>Detections in the file.</summary>
    public int Count { get; private set; }

    /// <param name="truth">Whose videos and categories the results are about.</param>
    /// <exception cref="EvaluationException">Not readable, no list of results, or about a video or category that the
    /// data set lacks; names file, entry and field.</exception>
    public static YtvisResults Open(string path, YtvisTruth truth)
    {
        var results = new YtvisResults(new JsonElements(path));
        try
        {
            results.Index(truth);
            return results;
        }
        catch
        {
            results.Dispose();
            throw;
        }
    }

    /// <summary>The detections of one video, in the file's order.</summary>
    /// <exception cref="EvaluationException">A detection is wrong; names file, entry and field.</exception>
    public IReadOnlyList<PredictedInstance> Of(VideoInfo video) =>
        [.. _places.GetValueOrDefault(video.Id, []).Select(p => Read(video, p.Entry, p.Place))];

    public void Dispose() => _file.Dispose();

    private void Index(YtvisTruth truth)
    {
        var videos = truth.Videos.Select(v => v.Id).ToHashSet();
        var categories = truth.Categories.Select(c => c.Id).ToHashSet();
        _file.Walk((list, index, place, json) =>
        {
            if (list.Length > 0)
                throw new EvaluationException($"{Path}: found an object with '{list}', expected a list of results.");
            var entry = new EntryReader(Path, $"[{index}]", json);
            var video = entry.Integer("video_id", long.MinValue, long.MaxValue);
            if (!videos.Contains(video))
                throw entry.Wrong("video_id", $"{video}", $"an id of the videos in {truth.Path}");
            var category = entry.Int("category_id", 0, int.MaxValue);
            if (!categories.Contains(category))
                throw entry.Wrong("category_id", $"{category}", $"an id of the categories in {truth.Path}");
            entry.Number("score");
            if (!_places.TryGetValue(video, out var places)) _places[video] = places = [];
            places.Add((index, place));
            Count++;
        });
    }

    private PredictedInstance Read(VideoInfo video, int index, JsonPlace place)
    {
        using var document = _file.Read(place);
        var entry = new EntryReader(Path, $"[{index}]", document.RootElement);
        return new PredictedInstance(entry.Int("category_id", 0, int.MaxValue), entry.Number("score"),
            entry.Masks("segmentations", video.Width, video.Height, video.Length));
    }
}
