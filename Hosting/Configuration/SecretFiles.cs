using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Reads secrets from files and remembers them, so that whatever is printed later can be cleaned of them. A relative
/// name is looked for where systemd and containers put secrets, then beside the configuration.
/// </summary>
internal sealed class SecretFiles(string folder, Func<string, string?> environment, ConfigErrors errors)
{
    private const int MaxBytes = 64 * 1024;

    private readonly HashSet<string> _values = [];

    /// <summary>Every secret read so far.</summary>
    public IReadOnlyCollection<string> Values => _values;

    /// <summary>Full path of the file; null, and an error, when it is nowhere.</summary>
    public string? Resolve(string name, Mark mark, string path)
    {
        var file = Candidates(name).FirstOrDefault(File.Exists);
        if (file is null)
            errors.Add(mark, path,
                $"the file '{name}' does not exist; looked at {string.Join(", ", Candidates(name))}");
        return file;
    }

    /// <summary>Content without its last line break; null, and an error, when there is none to read.</summary>
    public string? Read(string name, Mark mark, string path)
    {
        if (Resolve(name, mark, path) is not { } file) return null;
        try
        {
            var text = SmallFile.ReadText(file, MaxBytes);
            text = text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n')
                ? text[..^1]
                : text;
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
        // Blanking out a text of one or two characters would blank out half of every line.
        if (secret.Length > 2) _values.Add(secret);
    }

    private IEnumerable<string> Candidates(string name)
    {
        if (Path.IsPathRooted(name))
        {
            yield return name;
            yield break;
        }

        if (environment("CREDENTIALS_DIRECTORY") is { Length: > 0 } credentials)
            yield return Path.Combine(credentials, name);
        yield return Path.Combine("/run/secrets", name);
        yield return Path.GetFullPath(name, folder);
    }
}
