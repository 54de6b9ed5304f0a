using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>A folder of semantic maps: <c>VIDEO/FRAME.png</c> as results are, or <c>VIDEO/mask/FRAME.png</c> as VSPW
/// stores its truth. Frames are in the order of their names.</summary>
public sealed class SemanticFolder
{
    private readonly string _folder;

    /// <exception cref="EvaluationException">No such folder, or nothing in it.</exception>
    public SemanticFolder(string folder)
    {
        if (!Directory.Exists(folder)) throw new EvaluationException($"{folder}: there is no such folder.");
        _folder = folder;
        Videos = [.. Directory.GetDirectories(folder).Select(d => Path.GetFileName(d)!).Where(v => Maps(v).Length > 0)
            .Order(StringComparer.Ordinal)];
        if (Videos.Count == 0)
            throw new EvaluationException($"{folder}: found no maps VIDEO/FRAME.png or VIDEO/mask/FRAME.png.");
    }

    /// <summary>Videos with at least one map.</summary>
    public IReadOnlyList<string> Videos { get; }

    /// <summary>File names of a video's maps, in order.</summary>
    public IReadOnlyList<string> Frames(string video) => [.. Maps(video).Select(m => Path.GetFileName(m)!)];

    /// <exception cref="EvaluationException">There is no such map, or it is not one number a pixel.</exception>
    public PngImage Map(string video, string frame)
    {
        var path = Path.Combine(Folder(video), frame);
        var map = LabelMapFile.Read(path);
        return map.Channels == 1
            ? map
            : throw new EvaluationException(
                $"{path}: found a picture of {map.Channels} channels, expected one with the class of each pixel.");
    }

    private string[] Maps(string video)
    {
        var folder = Folder(video);
        return Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "*.png").Order(StringComparer.Ordinal)] : [];
    }

    private string Folder(string video)
    {
        var masks = Path.Combine(_folder, video, "mask");
        return Directory.Exists(masks) ? masks : Path.Combine(_folder, video);
    }
}
