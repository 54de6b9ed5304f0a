namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>One mistake: where, which key, and what was found against what was expected.</summary>
internal sealed record ConfigError(Mark Mark, string Path, string Message)
{
    public override string ToString() => Path.Length == 0 ? $"{Mark}: {Message}" : $"{Mark}: {Path}: {Message}";
}

/// <summary>Collects every mistake, so that a person fixes a file in one go.</summary>
internal sealed class ConfigErrors
{
    private readonly List<ConfigError> _errors = [];

    public bool Any => _errors.Count > 0;

    /// <summary>In the order of the file. A mistake in <c>defaults</c> reaches every camera; it is told once.</summary>
    public IReadOnlyList<ConfigError> InOrder =>
        [.. _errors.OrderBy(e => e.Path.StartsWith("cameras.", StringComparison.Ordinal))
            .DistinctBy(e => (e.Mark, e.Message)).OrderBy(e => e.Mark.Source, StringComparer.Ordinal)
            .ThenBy(e => e.Mark.Line).ThenBy(e => e.Mark.Column)];

    public void Add(Mark mark, string path, string message) => _errors.Add(new ConfigError(mark, path, message));

    /// <summary>True when this key is already known to be wrong: what follows from it is not worth telling.</summary>
    public bool Has(string path) => _errors.Exists(e => e.Path == path);

    public void ThrowIfAny()
    {
        if (Any) throw new ConfigException(InOrder);
    }
}

/// <summary>The configuration cannot be used; one line an error. Never holds a secret.</summary>
internal sealed class ConfigException(IReadOnlyList<ConfigError> errors)
    : Exception(string.Join(Environment.NewLine, errors))
{
    public IReadOnlyList<ConfigError> Errors { get; } = errors;
}
