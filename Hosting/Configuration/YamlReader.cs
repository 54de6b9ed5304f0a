using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Reader of one YAML document into nodes with their places. Anchors, aliases and merge keys work; their expansion,
/// the depth and the length are bounded, so that no file can exhaust the process.
/// </summary>
internal sealed class YamlReader
{
    public const int MaxCharacters = 1 << 20;
    private const int MaxDepth = 32;
    private const long MaxNodes = 50_000;

    private readonly Dictionary<string, YamlNode?> _anchors = [];
    private readonly IParser _parser;
    private readonly string _name;
    private readonly ConfigErrors _errors;

    private YamlReader(string text, string name, ConfigErrors errors)
        => (_parser, _name, _errors) = (new Parser(new StringReader(text)), name, errors);

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
            return new YamlReader(text, name, errors).Document();
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
        _parser.Consume<StreamStart>();
        if (_parser.Accept<StreamEnd>(out _)) return new YamlMapping(new Mark(_name, 1, 1), []);
        _parser.Consume<DocumentStart>();
        var root = Node(0);
        _parser.Consume<DocumentEnd>();
        if (_parser.Current is DocumentStart second)
            throw new YamlException(second.Start, second.End, "found a second document, expected one");
        return root;
    }

    private YamlNode Node(int depth)
    {
        if (_parser.TryConsume<AnchorAlias>(out var alias)) return Resolve(alias);
        if (!_parser.Accept<NodeEvent>(out var node))
            throw new YamlException(_parser.Current!.Start, _parser.Current.End, "expected a value");
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
        var scalar = _parser.Consume<Scalar>();
        return new YamlScalar(At(scalar), scalar.Value, scalar.Style == ScalarStyle.Plain);
    }

    private YamlSequence Sequence(int depth)
    {
        var mark = At(_parser.Consume<SequenceStart>());
        var items = new List<YamlNode>();
        while (!_parser.TryConsume<SequenceEnd>(out _)) items.Add(Node(depth + 1));
        return new YamlSequence(mark, items);
    }

    private YamlMapping Mapping(int depth)
    {
        var mark = At(_parser.Consume<MappingStart>());
        var entries = new List<YamlEntry>();
        var merged = new List<YamlNode>();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            if (!_parser.TryConsume<Scalar>(out var key))
                throw new YamlException(_parser.Current!.Start, _parser.Current.End, "expected a key");
            var value = Node(depth + 1);
            if (key.Value == "<<") merged.AddRange(value is YamlSequence list ? list.Items : [value]);
            else if (entries.Find(e => e.Key == key.Value) is { } first)
                _errors.Add(At(key), key.Value, $"set twice in one section; first in line {first.KeyMark.Line}");
            else entries.Add(new YamlEntry(key.Value, At(key), value));
        }

        var result = new YamlMapping(mark, entries);
        foreach (var lower in merged)
        {
            if (lower is YamlMapping map) result = result.Over(map);
            else _errors.Add(lower.Mark, "<<", $"found {lower.Kind}, expected a section to merge");
        }

        return result;
    }

    private Mark At(ParsingEvent e) => new(_name, (int)e.Start.Line, (int)e.Start.Column);
}
