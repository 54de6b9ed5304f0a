namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Place of a value. Line and column count from 1; line 0: a source without lines, such as an environment
/// variable.</summary>
internal readonly record struct Mark(string Source, int Line = 0, int Column = 0)
{
    public override string ToString() => Line == 0 ? Source : $"{Source}:{Line}:{Column}";
}

/// <summary>One value of the configuration before it has a type. Immutable, because aliases share nodes.</summary>
internal abstract record YamlNode(Mark Mark)
{
    /// <summary>Nodes in this tree with every alias expanded.</summary>
    public abstract long Size { get; }

    /// <summary>Text for messages: the value in quotes, "nothing", "a list", "a section".</summary>
    public abstract string Kind { get; }
}

/// <param name="Plain">Without quotes, so that <c>null</c>, <c>~</c> and an empty text mean "no value".</param>
/// <param name="Inline">From the environment or the command line: a list is a text such as <c>[a, b]</c>, and
/// <c>$</c> has no special meaning.</param>
internal sealed record YamlScalar(Mark Mark, string Value, bool Plain, bool Inline = false) : YamlNode(Mark)
{
    public override long Size => 1;

    public override string Kind => IsNull ? "nothing" : $"'{Value}'";

    public bool IsNull => Plain && Value is "" or "null" or "~";
}

internal sealed record YamlSequence(Mark Mark, IReadOnlyList<YamlNode> Items) : YamlNode(Mark)
{
    public override long Size { get; } = 1 + Items.Sum(i => i.Size);

    public override string Kind => Items.Count == 0 ? "an empty list" : "a list";
}

internal sealed record YamlEntry(string Key, Mark KeyMark, YamlNode Value);

internal sealed record YamlMapping(Mark Mark, IReadOnlyList<YamlEntry> Entries) : YamlNode(Mark)
{
    public override long Size { get; } = 1 + Entries.Sum(e => e.Value.Size);

    public override string Kind => "a section";

    public YamlEntry? Find(string key) => Entries.FirstOrDefault(e => e.Key == key);

    /// <summary>This section with one key set; the order of keys stays.</summary>
    public YamlMapping With(string key, YamlNode value) => new(Mark, Find(key) is null
        ? [.. Entries, new YamlEntry(key, value.Mark, value)]
        : [.. Entries.Select(e => e.Key == key ? e with { Value = value } : e)]);

    /// <summary>This section over <paramref name="lower"/>: sections merge key by key, other values of this section
    /// replace those of the lower one.</summary>
    public YamlMapping Over(YamlMapping lower)
    {
        var result = this;
        foreach (var entry in lower.Entries)
        {
            var mine = Find(entry.Key);
            if (mine is null) result = new YamlMapping(Mark, [.. result.Entries, entry]);
            else if (mine.Value is YamlMapping high && entry.Value is YamlMapping low)
                result = result.With(entry.Key, high.Over(low));
        }

        return result;
    }
}
