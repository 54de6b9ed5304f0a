namespace Dvis.Streaming.Benchmarks.Mutation;

/// <summary>One deliberate fault: lines of a file that are replaced, and the tests that must notice it.</summary>
/// <param name="Name">Unique name, kebab case.</param>
/// <param name="File">Path below the root of the repository.</param>
/// <param name="Tests">Filters of the test program, such as <c>-class *TrackManagerTests</c>; for a file of Python
/// names of <c>unittest</c>, such as <c>test_videos.Clips</c>.</param>
/// <param name="Old">Text that occurs once in the file.</param>
/// <param name="New">Text in its place; may be empty.</param>
/// <param name="Equivalent">Reason why no test can notice it; null for all others.</param>
internal sealed record Mutant(string Name, string File, string Tests, string Old, string New, string? Equivalent)
{
    private static readonly string[] s_keys = ["file", "tests", "equivalent"];

    /// <summary>Folder of the project.</summary>
    public string Project => File[..File.IndexOf('/', StringComparison.Ordinal)];

    public bool IsPython => File.EndsWith(".py", StringComparison.Ordinal);

    /// <summary>
    /// Reads a list of blocks: <c># name</c>, <c>file: PATH</c>, <c>tests: FILTERS</c>, optionally
    /// <c>equivalent: REASON</c>, then the lines of the change, <c>-</c> for old and <c>+</c> for new ones. Spaces
    /// at a line's beginning and end do not count; the new lines get the indentation of the first old one.
    /// </summary>
    /// <exception cref="FormatException">A line that fits none of these, or an incomplete block; with its line number.
    /// </exception>
    public static IReadOnlyList<Mutant> ReadList(string path)
    {
        var mutants = new List<Mutant>();
        var (number, block) = (0, new Dictionary<string, string>(StringComparer.Ordinal));
        var (old, fresh) = (new List<string>(), new List<string>());
        foreach (var line in System.IO.File.ReadLines(path).Append("# end"))
        {
            number++;
            if (line.StartsWith("# ", StringComparison.Ordinal))
            {
                if (block.Count > 0) mutants.Add(Close(number));
                (block, old, fresh) = (new() { ["name"] = line[2..].Trim() }, [], []);
            }
            else if (line.StartsWith('-')) old.Add(line[1..].Trim());
            else if (line.StartsWith('+')) fresh.Add(line[1..].Trim());
            else if (s_keys.FirstOrDefault(k => line.StartsWith(k + ": ", StringComparison.Ordinal)) is { } key)
                block[key] = line[(key.Length + 2)..].Trim();
            else if (line.Trim().Length > 0)
                throw new FormatException($"{path}:{number}: found '{line}', expected a block's name, key or change.");
        }

        return mutants.CountBy(m => m.Name).FirstOrDefault(n => n.Value > 1) is { Key: { } twice }
            ? throw new FormatException($"{path}: {twice} is there twice.")
            : mutants;

        Mutant Close(int at) =>
            old.Count > 0 && block.TryGetValue("file", out var file) && block.TryGetValue("tests", out var tests)
            ? new Mutant(block["name"], file, tests, string.Join('\n', old), string.Join('\n', fresh),
                block.GetValueOrDefault("equivalent"))
            : throw new FormatException($"{path}:{at}: the block {block["name"]} lacks file, tests or old lines.");
    }

    /// <summary>The file's text with the fault in it.</summary>
    /// <exception cref="FormatException">The old lines do not occur exactly once.</exception>
    public string Apply(string text)
    {
        var lines = text.Split('\n');
        var old = Old.Split('\n');
        var places = Enumerable.Range(0, Math.Max(0, lines.Length - old.Length + 1))
            .Where(at => old.Index().All(l => lines[at + l.Index].Trim() == l.Item)).ToArray();
        if (places.Length != 1)
            throw new FormatException($"{Name}: the old lines occur {places.Length} times in {File}, expected once.");
        // Python's blocks are their indentation.
        var first = lines[places[0]];
        var indent = first[..^first.TrimStart().Length];
        var fresh = New.Split('\n').Select(line => indent + line);
        return string.Join('\n', [.. lines[..places[0]], .. fresh, .. lines[(places[0] + old.Length)..]]);
    }
}
