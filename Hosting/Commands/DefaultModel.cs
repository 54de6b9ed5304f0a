namespace Dvis.Streaming.Hosting.Commands;

/// <summary>Where the shipped model is when no folder was named.</summary>
internal static class DefaultModel
{
    private const string Relative = "Models/default";

    /// <summary>In the working directory, beside the program, or in the tree that it was built from.</summary>
    /// <returns>The path relative to the working directory when it is in none.</returns>
    public static string Find()
        => Places().Select(place => Path.Combine(place, Relative)).FirstOrDefault(Directory.Exists) ?? Relative;

    private static IEnumerable<string> Places()
    {
        yield return "";
        yield return AppContext.BaseDirectory;
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Dvis.Streaming.sln"))) yield return folder.FullName;
    }
}
