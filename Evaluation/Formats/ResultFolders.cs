namespace Dvis.Streaming.Evaluation.Formats;

/// <summary>Where the maps of results lie: a folder a video, a PNG a frame.</summary>
internal static class ResultFolders
{
    /// <summary>The map of the picture <paramref name="fileName"/>,
    /// which may lie in a folder and be of another format.</summary>
    public static string Picture(string folder, string video, string fileName) =>
        Path.Combine(folder, video, Path.GetFileNameWithoutExtension(fileName) + ".png");

    /// <exception cref="ArgumentException">A video's name is no folder's name: the map would lie elsewhere.</exception>
    public static void CheckName(string video)
    {
        if (video is "" or "." or ".." || Path.GetFileName(video) != video)
            throw new ArgumentException($"'{video}' is no name of a video's folder.", nameof(video));
    }
}
