using System.Diagnostics;
using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>A real file system of a few bytes; it needs the right to mount one,
/// and skips the test visibly without.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TempFolder _folder = new();

    public static SmallDisk Mount(int bytes)
    {
        var disk = new SmallDisk();
        if (Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={bytes}"), "tmpfs",
            disk._folder.Root) != 0)
        {
            disk._folder.Dispose();
            Assert.Skip("A small file system cannot be mounted here.");
        }

        return disk;
    }

    public string Path(string name) => _folder.Path(name);

    public void Dispose()
    {
        Assert.Equal(0, Run("umount", "-l", _folder.Root));
        _folder.Dispose();
    }

    private static int Run(string program, params string[] arguments)
    {
        if (MosquittoBroker.Executable(program) is not { } path) return -1;
        using var process = Process.Start(new ProcessStartInfo(path, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode;
    }
}
