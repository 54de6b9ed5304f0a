using System.Globalization;
using System.Runtime.InteropServices;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Files of one load with their sizes and dates at that time, links followed. Comparing these detects, on every file
/// system, a file that was overwritten, renamed into place, or mounted; notifications of the kernel do not.
/// </summary>
internal sealed class ConfigFiles(string file)
{
    private readonly List<(string Folder, string Pattern)> _included = [];
    private readonly List<(string Path, string Stamp)> _read = [];

    /// <summary>Files that were read.</summary>
    public IEnumerable<string> Paths => _read.Select(r => r.Path);

    /// <summary>Adds a file that is about to be read.</summary>
    public void Reading(string path) => _read.Add((path, StampOf(path)));

    /// <summary>Files of a name or pattern (<c>*</c>, <c>?</c>), in order; they are compared, too.</summary>
    public string[] Include(string folder, string pattern)
    {
        _included.Add((folder, pattern));
        return Expand(folder, pattern);
    }

    /// <summary>State of the files when they were read.</summary>
    public string Read => string.Join('\n', _read.Select(r => r.Stamp));

    /// <summary>State of the files now; equal to <see cref="Read"/> while nothing has changed.</summary>
    public string Now() =>
        string.Join('\n', _included.SelectMany(i => Expand(i.Folder, i.Pattern)).Prepend(file).Select(StampOf));

    /// <summary>True when both are the same existing file, links followed.</summary>
    public static bool AreSame(string one, string other) => RealPath(one) is { } real && real == RealPath(other);

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
            return []; // it was removed, or may not be listed
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

    // Links in the middle of a path, too: Kubernetes points one to another folder.
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
