namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Finds the working tree the tests were built from.</summary>
internal static class Repo
{
    public static string Root { get; } = Find();

    public static string Path(string relative) => System.IO.Path.Combine(Root, relative);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Dvis.Streaming.sln"))) return folder.FullName;
        throw new InvalidOperationException("Dvis.Streaming.sln is in no folder above the tests.");
    }
}
