namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>What every user of the machine sees of its processes.</summary>
internal static class CommandLines
{
    /// <summary>Of all processes; arguments are parted by zeros.</summary>
    public static IEnumerable<string> All()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc")
            .Where(f => char.IsAsciiDigit(Path.GetFileName(f)[0])))
        {
            string line;
            try
            {
                line = File.ReadAllText(Path.Combine(folder, "cmdline"));
            }
            catch (IOException)
            {
                continue; // it ended meanwhile
            }

            yield return line;
        }
    }

    /// <summary>Of the decoders of cameras.</summary>
    public static IEnumerable<string> OfCameras() => All().Where(line =>
        line.Contains("ffmpeg\0", StringComparison.Ordinal) && line.Contains("-i\0rtsp", StringComparison.Ordinal));
}
