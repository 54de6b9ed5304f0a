using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>Frames and annotation of one sequence.</summary>
/// <param name="Images">Paths, in order.</param>
/// <param name="Masks">The object in each frame, one cell per pixel; may be empty. All of one size.</param>
public sealed record AnnotatedSequence(string Name, IReadOnlyList<string> Images, IReadOnlyList<RunLengthMask> Masks);

/// <summary>
/// A folder as DAVIS has it: <c>JPEGImages/SEQUENCE/FRAME.jpg</c> and <c>Annotations/SEQUENCE/FRAME.png</c>, one mask
/// per frame. Every value but 0 is the object, so that several annotated objects are one.
/// </summary>
public sealed class DavisFolder(string folder)
{
    public string Images { get; } = Path.Combine(folder, "JPEGImages");

    public string Annotations { get; } = Path.Combine(folder, "Annotations");

    /// <summary>Names of all sequences that have a folder of images or of annotations, in order.</summary>
    public IReadOnlyList<string> Sequences()
    {
        var folders = new[] { Images, Annotations }.Where(Directory.Exists).SelectMany(Directory.GetDirectories);
        return [.. folders.Select(folder => Path.GetFileName(folder)).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <exception cref="EvaluationException">
    /// Something is missing, not readable, or of another size; names sequence and file.
    /// </exception>
    public AnnotatedSequence Read(string name)
    {
        var folder = Path.Combine(Annotations, name);
        var images = Files(Images, name, "*.jpg");
        var annotations = Files(Annotations, name, "*.png");
        var frames = images.Select(Path.GetFileNameWithoutExtension).ToHashSet();
        var missing = frames.Except(annotations.Select(Path.GetFileNameWithoutExtension)).Count();
        if (missing > 0)
            throw new EvaluationException(
                $"{name}: {missing} of {images.Length} frames lack an annotation in {folder}.");
        if (Array.Find(annotations, a => !frames.Contains(Path.GetFileNameWithoutExtension(a))) is { } stray)
            throw new EvaluationException($"{name}: the annotation {stray} belongs to no frame.");
        var masks = Array.ConvertAll(annotations, a => Mask(name, a));
        var first = masks[0];
        var odd = Array.FindIndex(masks, m => (m.Width, m.Height) != (first.Width, first.Height));
        return odd < 0
            ? new AnnotatedSequence(name, images, masks)
            : throw new EvaluationException(
                $"{name}: {annotations[odd]} has {masks[odd].Width}x{masks[odd].Height} pixels, "
                + $"the annotations before have {first.Width}x{first.Height}.");
    }

    private static string[] Files(string folder, string name, string pattern)
    {
        var path = Path.Combine(folder, name);
        if (!Directory.Exists(path)) throw new EvaluationException($"{name}: the folder {path} does not exist.");
        try
        {
            string[] files = [.. Directory.GetFiles(path, pattern).Order(StringComparer.Ordinal)];
            return files.Length > 0 ? files : throw new EvaluationException($"{name}: {path} has no {pattern} in it.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EvaluationException($"{name}: {path} cannot be read: {e.Message}", e);
        }
    }

    private static RunLengthMask Mask(string name, string path)
    {
        PngImage map;
        try
        {
            map = LabelMapFile.Read(path);
        }
        catch (EvaluationException e)
        {
            throw new EvaluationException($"{name}: {e.Message}", e);
        }

        if (map.Channels != 1)
        {
            throw new EvaluationException(
                $"{name}: {path}: found an image of {map.Channels} channels, expected one number per pixel.");
        }

        var columns = new byte[map.Pixels.Length];
        for (var y = 0; y < map.Height; y++)
            for (var x = 0; x < map.Width; x++) columns[x * map.Height + y] = map.Pixels[y * map.Width + x];
        return RunLengths.Encode(map.Width, map.Height, columns);
    }
}
