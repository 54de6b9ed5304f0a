using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Reader of one YAML document into nodes with their places. Anchors, aliases and merge keys work; their expansion,
/// the depth and the length are bounded, so that no file can exhaust the process.
/// </summary>
internal sealed class YamlReader(IParser parser, string name, ConfigErrors errors)
{
    public const int MaxCharacters = 1 << 20;
    private const int MaxDepth = 32;
    private const long MaxNodes = 50_000;

    private readonly Dictionary<string, YamlNode?> _anchors = [];

    /// <summary>Null when the text is not YAML or exceeds a limit; <paramref name="errors"/> has the reason.</summary>
    public static YamlNode? Read(string text, string name, ConfigErrors errors)
    {
        if (text.Length > MaxCharacters)
        {
            errors.Add(new Mark(name), "", $"found {text.Length} characters, expected at most {MaxCharacters}");
            return null;
        }

        try
        {
            return new YamlReader(new Parser(new StringReader(text)), name, errors).Document();
        }
        catch (InvalidOperationException)
        {
            // The parser has errors of its own on some texts.
            errors.Add(new Mark(name), "", "not valid YAML");
            return null;
        }
        catch (YamlException e)
        {
            // The parser reports a tab in other words, at another place.
            var tab = Array.FindIndex(text.Split('\n'), l => l.TrimStart(' ').StartsWith('\t'));
            if (tab >= 0)
                errors.Add(new Mark(name, tab + 1, 1), "", "not valid YAML: indentation must be spaces, found a tab");
            else
                errors.Add(new Mark(name, (int)e.Start.Line, (int)e.Start.Column), "",
                    $"not valid YAML: {e.InnerException?.Message ?? e.Message}");
            return null;
        }
    }

    private YamlNode Document()
    {
        parser.Consume<StreamStart>();
        if (parser.Accept<StreamEnd>(out _)) return new YamlMapping(new Mark(name, 1, 1), []);
        parser.Consume<DocumentStart>();
        var root = Node(0);
        parser.Consume<DocumentEnd>();
        if (parser.Current is DocumentStart second)
            throw new YamlException(second.Start, second.End, "found a second document, expected one");
        return root;
    }

    private YamlNode Node(int depth)
    {
        if (parser.TryConsume<AnchorAlias>(out var alias)) return Resolve(alias);
        if (!parser.Accept<NodeEvent>(out var node))
            throw new YamlException(parser.Current!.Start, parser.Current.End, "expected a value");
        if (depth > MaxDepth) throw new YamlException(node.Start, node.End, $"nested deeper than {MaxDepth} levels");
        if (!node.Tag.IsEmpty)
            throw new YamlException(node.Start, node.End, $"found the tag '{node.Tag}', expected a plain value");

        // Null while its own content is being read: an alias inside its own anchor has no end.
        if (!node.Anchor.IsEmpty) _anchors[node.Anchor.Value] = null;
        YamlNode result = node switch
        {
            Scalar => Text(),
            SequenceStart => Sequence(depth),
            _ => Mapping(depth),
        };
        if (result.Size > MaxNodes)
            throw new YamlException(node.Start, node.End, $"expands to more than {MaxNodes} values");
        if (!node.Anchor.IsEmpty) _anchors[node.Anchor.Value] = result;
        return result;
    }

    private YamlNode Resolve(AnchorAlias alias)
    {
        if (!_anchors.TryGetValue(alias.Value.Value, out var target))
            throw new YamlException(alias.Start, alias.End,
                $"found the alias '*{alias.Value}', but no anchor '&{alias.Value}' stands before it");
        return target ?? throw new YamlException(alias.Start, alias.End,
            $"the alias '*{alias.Value}' stands inside its own anchor");
    }

    private YamlScalar Text()
    {
        var scalar = parser.Consume<Scalar>();
        RefuseNul(scalar);
        return new YamlScalar(At(scalar), scalar.Value, scalar.Style == ScalarStyle.Plain);
    }

    private YamlSequence Sequence(int depth)
    {
        var mark = At(parser.Consume<SequenceStart>());
        var items = new List<YamlNode>();
        while (!parser.TryConsume<SequenceEnd>(out _)) items.Add(Node(depth + 1));
        return new YamlSequence(mark, items);
    }

    private YamlMapping Mapping(int depth)
    {
        var mark = At(parser.Consume<MappingStart>());
        var entries = new List<YamlEntry>();
        var merged = new List<YamlNode>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (!parser.TryConsume<Scalar>(out var key))
                throw new YamlException(parser.Current!.Start, parser.Current.End, "expected a key");
            RefuseNul(key);
            var value = Node(depth + 1);
            if (key.Value == "<<") merged.AddRange(value is YamlSequence list ? list.Items : [value]);
            else if (entries.Find(e => e.Key == key.Value) is { } first)
                errors.Add(At(key), key.Value, $"set twice in one section; first in line {first.KeyMark.Line}");
            else entries.Add(new YamlEntry(key.Value, At(key), value));
        }

        var result = new YamlMapping(mark, entries);
        foreach (var lower in merged)
        {
            if (lower is YamlMapping map) result = result.Over(map);
            else errors.Add(lower.Mark, "<<", $"found {lower.Kind}, expected a section to merge");
        }

        return result;
    }

    // No name of a file, host or topic has one, and the system's calls would end the text there or throw.
    private static void RefuseNul(Scalar scalar)
    {
        if (scalar.Value.Contains('\0', StringComparison.Ordinal))
            throw new YamlException(scalar.Start, scalar.End, "found a NUL character in a text");
    }

    private Mark At(ParsingEvent e) => new(name, (int)e.Start.Line, (int)e.Start.Column);
}
