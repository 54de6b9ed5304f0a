using System.Globalization;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// The files of one load, as they were when they were read. Told apart by size and dates, links followed, because that
/// sees a file that was written over, renamed into place, or mounted from elsewhere, on every file system.
/// Notifications of the kernel do not.
/// </summary>
internal sealed class ConfigFiles(string file)
{
    private readonly List<(string Folder, string Pattern)> _included = [];
    private readonly List<string> _read = [];

    /// <summary>Notes a file that is about to be read.</summary>
    public void Reading(string path) => _read.Add(StampOf(path));

    /// <summary>The files that a name, or a pattern with <c>*</c> and <c>?</c>, stands for, in order;
    /// from now on it is looked at, too.</summary>
    public string[] Include(string folder, string pattern)
    {
        _included.Add((folder, pattern));
        return Expand(folder, pattern);
    }

    /// <summary>As they were read.</summary>
    public string Read => string.Join('\n', _read);

    /// <summary>As they are now; equal to <see cref="Read"/> while nothing has changed.</summary>
    public string Now() =>
        string.Join('\n', _included.SelectMany(i => Expand(i.Folder, i.Pattern)).Prepend(file).Select(StampOf));

    private static string[] Expand(string folder, string pattern)
    {
        try
        {
            return pattern.Length > 0 && Directory.Exists(folder)
                ? [.. Directory.EnumerateFiles(folder, pattern).Order(StringComparer.Ordinal)]
                : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // it vanished, or may not be listed
        }
    }

    private static string StampOf(string path)
    {
        try
        {
            return RealPath(path) is { } real && new FileInfo(real) is { Exists: true } found
                ? string.Create(CultureInfo.InvariantCulture,
                    $"{path} {real} {found.Length} {found.LastWriteTimeUtc.Ticks} {found.CreationTimeUtc.Ticks}")
                : $"{path} missing";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{path} unreadable";
        }
    }

    // Links in the middle of a path, too: Kubernetes turns one to another folder.
    private static unsafe string? RealPath(string path)
    {
        var real = realpath(path, 0);
        try
        {
            return Marshal.PtrToStringUTF8(real);
        }
        finally
        {
            NativeMemory.Free((void*)real);
        }
    }

    [DllImport("libc")]
    private static extern nint realpath([MarshalAs(UnmanagedType.LPUTF8Str)] string path, nint buffer);
}
