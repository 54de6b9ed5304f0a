using System.Globalization;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>
/// Limit of open files (<c>RLIMIT_NOFILE</c>). A process that reaches it fails anywhere, with the loading of an
/// assembly or of a model: it is compared with the need before.
/// </summary>
internal static class OpenFiles
{
    // Measured: a command uses up to 90, most of them assemblies, and a run with MQTT 225.
    private const int OfCommand = 128, OfRun = 256;

    // Pipes of the decoder, sockets of the relay; twice, because a camera may begin before its last session has ended.
    private const int OfCamera = 12;

    /// <exception cref="CommandException">The limit is lower than any command needs.</exception>
    public static void Require() => Require(OfCommand, "this command needs");

    /// <exception cref="CommandException">The limit is lower than so many cameras need.</exception>
    public static void Require(int cameras) => Require(
        OfRun + (OfCamera * cameras),
        cameras == 1 ? "one camera needs" : string.Create(CultureInfo.InvariantCulture, $"{cameras} cameras need"));

    private static void Require(int files, string need)
    {
        if (Limit() is { } limit && limit < files)
            throw new CommandException(ExitCode.Failed, string.Create(CultureInfo.InvariantCulture,
                $"the limit of open files is {limit}, but {need} {files}; raise it with ulimit -n, or LimitNOFILE of "
                + $"a systemd unit"));
    }

    /// <summary>Null: unlimited, or not known.</summary>
    private static long? Limit()
    {
        // "Max open files            1024                 1048576              files"
        const string file = "/proc/self/limits", row = "Max open files";
        if (!File.Exists(file)) return null;
        var line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith(row, StringComparison.Ordinal));
        var soft = line?[row.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
        return long.TryParse(soft, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }
}
