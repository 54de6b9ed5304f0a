namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Models and samples that come with the program.</summary>
internal static class ShippedFiles
{
    /// <summary>Full path in <paramref name="folder"/>, beside the program, or in the tree that it was built from: the
    /// first that exists, else that in <paramref name="folder"/>.</summary>
    public static string Find(string path, string folder) =>
        Places().Prepend(folder).Select(place => Path.GetFullPath(path, place)).FirstOrDefault(Path.Exists)
        ?? Path.GetFullPath(path, folder);

    private static IEnumerable<string> Places()
    {
        yield return AppContext.BaseDirectory;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Dvis.Streaming.sln"))) yield return folder.FullName;
    }
}
