using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>The pictures in which data sets keep a number for each pixel.</summary>
internal static class LabelMapFile
{
    /// <exception cref="EvaluationException">Not readable, damaged,
    /// or of a kind that is not read; names the file.</exception>
    public static PngImage Read(string path)
    {
        try
        {
            return PngReader.Decode(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new EvaluationException($"{path}: the picture cannot be read: {e.Message.TrimEnd('.')}.", e);
        }
    }
}
