namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Error in the configuration: place, key, what was found and what was expected.</summary>
internal sealed record ConfigError(Mark Mark, string Path, string Message)
{
    public override string ToString() => Path.Length == 0 ? $"{Mark}: {Message}" : $"{Mark}: {Path}: {Message}";
}

/// <summary>Errors of one load.</summary>
internal sealed class ConfigErrors
{
    private readonly List<ConfigError> _errors = [];

    /// <summary>Errors in the order of the file. Those of <c>defaults</c> in cameras are left out.</summary>
    public IReadOnlyList<ConfigError> InOrder =>
        [.. _errors.OrderBy(e => e.Path.StartsWith("cameras.", StringComparison.Ordinal))
            .DistinctBy(e => (e.Mark, e.Message)).OrderBy(e => e.Mark.Source, StringComparer.Ordinal)
            .ThenBy(e => e.Mark.Line).ThenBy(e => e.Mark.Column)];

    public void Add(Mark mark, string path, string message) => _errors.Add(new ConfigError(mark, path, message));

    /// <summary>True when this key or an entry of its list has an error; errors that follow from it are not reported.
    /// </summary>
    public bool Has(string path) => _errors.Exists(e =>
        e.Path == path || e.Path.StartsWith(path + "[", StringComparison.Ordinal));

    public void ThrowIfAny()
    {
        if (_errors.Count > 0) throw new ConfigException(InOrder);
    }
}

/// <summary>Errors that make the configuration unusable, one per line, without secrets.</summary>
internal sealed class ConfigException(IReadOnlyList<ConfigError> errors)
    : Exception(string.Join(Environment.NewLine, errors))
{
    public IReadOnlyList<ConfigError> Errors { get; } = errors;
}
