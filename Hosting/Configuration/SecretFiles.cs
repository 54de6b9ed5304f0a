using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Secrets in files, and all values to mask in later output. Relative names are looked for where systemd and
/// containers put secrets, then beside the configuration.</summary>
internal sealed class SecretFiles(string folder, Func<string, string?> environment, ConfigErrors errors)
{
    private const int MaxBytes = 64 * 1024;

    private readonly HashSet<string> _values = [];

    /// <summary>Secrets read so far.</summary>
    public IReadOnlyCollection<string> Values => _values;

    /// <summary>Full path of the file; null, and an error, when there is none.</summary>
    public string? Resolve(string name, Mark mark, string path)
    {
        var file = Candidates(name).FirstOrDefault(File.Exists);
        if (file is null && Candidates(name).FirstOrDefault(Directory.Exists) is { } folder)
            errors.Add(mark, path, $"the file '{folder}' is a folder");
        else if (file is null)
            errors.Add(mark, path,
                $"the file '{name}' does not exist; looked at {string.Join(", ", Candidates(name))}");
        return file;
    }

    /// <summary>Content without its last line break; null, and an error, when it cannot be read.</summary>
    public string? Read(string name, Mark mark, string path)
    {
        if (Resolve(name, mark, path) is not { } file) return null;
        try
        {
            var text = Regex.Replace(SmallFile.ReadText(file, MaxBytes), "\r?\n\\z", "");
            Remember(text);
            return text;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            errors.Add(mark, path, $"the file '{file}' cannot be read: {e.Message}");
            return null;
        }
    }

    public void Remember(string secret)
    {
        // Masking a text of one or two characters would mask half of every line.
        if (secret.Length > 2) _values.Add(secret);
    }

    private IEnumerable<string> Candidates(string name) =>
        ((string?[])[environment("CREDENTIALS_DIRECTORY"), "/run/secrets", folder])
        .Where(place => !string.IsNullOrEmpty(place))
        .Select(place => Path.GetFullPath(Path.Combine(place!, name))).Distinct();
}
