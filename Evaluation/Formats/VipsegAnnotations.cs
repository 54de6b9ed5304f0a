using System.Text.Json;
using Dvis.Streaming.Evaluation.Metrics;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>The <c>annotations</c> of a VIPSeg file and the folder of the maps they speak of.
/// Indexed once, read video by video.</summary>
internal sealed class VipsegAnnotations(JsonElements file, string maps) : IDisposable
{
    private const int LargestId = (1 << 24) - 1;

    private readonly Dictionary<string, (int Entry, JsonPlace Place)> _places = [];

    public string Path => file.Path;

    public bool Has(string video) => _places.ContainsKey(video);

    /// <summary>Takes note of an entry of the list <c>annotations</c>.</summary>
    public void Note(int index, JsonPlace place, JsonElement json)
    {
        var entry = new EntryReader(Path, $"annotations[{index}]", json);
        var video = entry.String("video_id");
        if (!_places.TryAdd(video, (index, place)))
            throw entry.Wrong("video_id", $"'{video}' a second time", "each once");
    }

    /// <summary>The frames of a video, read as they are taken.</summary>
    /// <param name="pictures">Names of its maps, in order;
    /// the annotations of the frames stand in the same order.</param>
    /// <exception cref="EvaluationException">The video is missing, has another number of frames,
    /// or a map cannot be read.</exception>
    public IEnumerable<PanopticFrame> Frames(string video, IReadOnlyList<string> pictures)
    {
        if (!_places.TryGetValue(video, out var at))
            throw new EvaluationException($"{Path}: annotations: found nothing of the video '{video}'.");
        using var document = file.Read(at.Place);
        var entry = new EntryReader(Path, $"annotations[{at.Entry}]", document.RootElement);
        var frames = entry.List("annotations");
        if (frames.GetArrayLength() != pictures.Count)
            throw entry.Wrong("annotations", $"{frames.GetArrayLength()} frames",
                $"the {pictures.Count} of the video '{video}'");
        foreach (var (i, frame) in frames.EnumerateArray().Index())
            yield return Map(System.IO.Path.Combine(maps, video, pictures[i]),
                Segments(new EntryReader(Path, $"annotations[{at.Entry}].annotations[{i}]", frame)));
    }

    public void Dispose() => file.Dispose();

    private List<PanopticSegment> Segments(EntryReader frame)
    {
        var segments = new List<PanopticSegment>();
        foreach (var (i, json) in frame.List("segments_info").EnumerateArray().Index())
        {
            var entry = new EntryReader(Path, $"{frame.Entry}.segments_info[{i}]", json);
            segments.Add(new PanopticSegment(entry.Int("id", 0, LargestId), entry.Int("category_id", 0, int.MaxValue),
                entry.Flag("iscrowd"),
                entry.Has("area") ? entry.Integer("area", 0, long.MaxValue) : null));
        }

        return segments;
    }

    private static PanopticFrame Map(string path, List<PanopticSegment> segments)
    {
        var image = LabelMapFile.Read(path);
        if (image.Channels < 3)
            throw new EvaluationException(
                $"{path}: found a picture of {image.Channels} channel{(image.Channels == 1 ? "" : "s")}, expected RGB "
                + $"with the segment's id as R + 256 G + 65536 B.");
        var ids = new int[image.Width * image.Height];
        for (var (i, at) = (0, 0); i < ids.Length; i++, at += image.Channels)
            ids[i] = image.Pixels[at] | image.Pixels[at + 1] << 8 | image.Pixels[at + 2] << 16;
        return new PanopticFrame(image.Width, image.Height, ids, segments);
    }
}
