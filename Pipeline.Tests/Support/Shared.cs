namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Data that lies beside the working tree (<c>../shared</c>) and is no part of it.
/// Tests that need it skip visibly without it.</summary>
internal static class Shared
{
    /// <summary>Full path of a file or folder in the shared data;
    /// skips the calling test when it is not there.</summary>
    public static string Path(string relative)
    {
        // A linked worktree may lie one folder deeper than the main one.
        for (var folder = new DirectoryInfo(Repo.Root).Parent; folder is not null; folder = folder.Parent)
        {
            var path = System.IO.Path.Combine(folder.FullName, "shared", relative);
            if (System.IO.Path.Exists(path)) return path;
        }

        Assert.Skip($"The shared data has no {relative}.");
        return "";
    }
}
