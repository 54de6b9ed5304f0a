namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Where a value was written. Line and column count from 1; line 0: a place without lines,
/// such as an environment variable.</summary>
internal readonly record struct Mark(string Source, int Line = 0, int Column = 0)
{
    public override string ToString() => Line == 0 ? Source : $"{Source}:{Line}:{Column}";
}

/// <summary>One value of the configuration before it has a type. Immutable, because aliases share nodes.</summary>
internal abstract record YamlNode(Mark Mark)
{
    /// <summary>Nodes in this tree with every alias written out;
    /// what a "billion laughs" file would make explode.</summary>
    public abstract long Size { get; }

    /// <summary>For messages: "a text", "a list", "a section".</summary>
    public abstract string Kind { get; }
}

/// <param name="Plain">Written without quotes, so that <c>null</c>,
/// <c>~</c> and nothing at all mean "no value".</param>
/// <param name="Inline">Comes from the environment or the command line: lists are written in it as <c>[a,
/// b]</c>, and <c>$</c> is only a dollar.</param>
internal sealed record YamlScalar(Mark Mark, string Value, bool Plain, bool Inline = false) : YamlNode(Mark)
{
    public override long Size => 1;

    public override string Kind => IsNull ? "nothing" : $"'{Value}'";

    public bool IsNull => Plain && Value is "" or "null" or "~";
}

internal sealed record YamlSequence(Mark Mark, IReadOnlyList<YamlNode> Items) : YamlNode(Mark)
{
    public override long Size { get; } = 1 + Items.Sum(i => i.Size);

    public override string Kind => "a list";
}

internal sealed record YamlEntry(string Key, Mark KeyMark, YamlNode Value);

internal sealed record YamlMapping(Mark Mark, IReadOnlyList<YamlEntry> Entries) : YamlNode(Mark)
{
    public override long Size { get; } = 1 + Entries.Sum(e => e.Value.Size);

    public override string Kind => "a section";

    public YamlEntry? Find(string key) => Entries.FirstOrDefault(e => e.Key == key);

    /// <summary>The same section with one key set; the others stay where they are.</summary>
    public YamlMapping With(string key, YamlNode value)
    {
        var entries = Entries.ToList();
        var at = entries.FindIndex(e => e.Key == key);
        if (at < 0) entries.Add(new YamlEntry(key, value.Mark, value));
        else entries[at] = entries[at] with { Value = value };
        return new YamlMapping(Mark, entries);
    }

    /// <summary>This section over <paramref name="lower"/>: sections merge key by key,
    /// everything else is replaced.</summary>
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
