using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>Writes semantic maps as the VSPW server takes them: <c>VIDEO/FRAME.png</c>, gray,
/// the class a pixel, 255 for none.</summary>
public sealed class SemanticWriter(string folder)
{
    /// <param name="video">Name of its folder.</param>
    /// <param name="fileName">The frame's picture in the data set; the map gets its name, as PNG.</param>
    /// <param name="classes">Row-major, [height,width].</param>
    /// <exception cref="IOException">The map cannot be written.</exception>
    public void Add(string video, string fileName, int width, int height, byte[] classes)
    {
        ResultFolders.CheckName(video);
        var path = ResultFolders.Picture(folder, video, fileName);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        PngWriter.Write(path, new PngImage(width, height, 1, classes));
    }
}
