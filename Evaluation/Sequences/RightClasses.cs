using System.Text.RegularExpressions;

namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>
/// Which coarse classes are right for the object of each sequence: lines <c>NAME CLASS[,CLASS]</c>, blank lines aside.
/// </summary>
public sealed partial class RightClasses
{
    private readonly Dictionary<string, CoarseClass[]> _bySequence = [];

    private RightClasses()
    {
    }

    /// <summary>Those of the five DAVIS sequences that docs/internal/accuracy.md reports.</summary>
    public static RightClasses Shipped()
    {
        const string file = "right-classes.txt";
        var here = typeof(RightClasses);
        using var lines = new StreamReader(here.Assembly.GetManifestResourceStream(here, file)!);
        return Parse(file, lines, out _);
    }

    /// <param name="file">For messages.</param>
    /// <param name="errors">One sentence with file and line for each bad line; the others are taken.</param>
    public static RightClasses Parse(string file, TextReader lines, out IReadOnlyList<string> errors)
    {
        var classes = new RightClasses();
        var found = new List<string>();
        for (var number = 1; lines.ReadLine() is { } line; number++)
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            if (classes.Add(line) is { } problem) found.Add($"{file}:{number}: {problem}");
        }

        errors = found;
        return classes;
    }

    /// <summary>Null: nothing is known of this sequence.</summary>
    public IReadOnlyList<CoarseClass>? Of(string sequence) => _bySequence.GetValueOrDefault(sequence);

    private string? Add(string line)
    {
        if (LineForm().Match(line) is not { Success: true } match)
            return $"found '{line.Trim()}', expected a sequence and its classes, as in 'bmx-trees person,vehicle'";
        var classes = new List<CoarseClass>();
        foreach (var word in match.Groups["classes"].Value.Split(','))
        {
            if (!TryParse(word, out var group)) return $"found the class '{word}', expected person, vehicle or animal";
            classes.Add(group);
        }

        var name = match.Groups["name"].Value;
        return _bySequence.TryAdd(name, [.. classes])
            ? null
            : $"found the sequence '{name}' a second time, expected one line per sequence";
    }

    private static bool TryParse(string word, out CoarseClass group)
    {
        (group, var known) = word switch
        {
            "person" => (CoarseClass.Person, true),
            "vehicle" => (CoarseClass.Vehicle, true),
            "animal" => (CoarseClass.Animal, true),
            _ => (default, false),
        };
        return known;
    }

    [GeneratedRegex(@"^\s*(?<name>\S+)\s+(?<classes>\S+)\s*$")]
    private static partial Regex LineForm();
}
