using System.CommandLine;
using System.Text.RegularExpressions;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Composition;

/// <summary>Names in the documentation: links, commands, options and scripts exist.</summary>
public sealed partial class DocsTests
{
    /// <summary>Every Markdown file of the repository, relative to its root.</summary>
    public static TheoryData<string> All() =>
    [
        .. Directory.EnumerateFiles(Repo.Root, "*.md", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Repo.Root, file))
            .Where(file => !Regex.IsMatch(file, @"(^|/)(artifacts|runs|\.[^/]+)/")),
    ];

    /// <summary>The guides for users.</summary>
    public static TheoryData<string> Guides() =>
    [
        .. Directory.EnumerateFiles(Repo.Path("docs"), "*.md").Select(file => Path.GetRelativePath(Repo.Root, file)),
        "README.md",
    ];

    [Theory]
    [MemberData(nameof(All))]
    public void Links_LeadSomewhere(string file)
    {
        var folder = Path.GetDirectoryName(Repo.Path(file))!;
        foreach (Match link in Link().Matches(WithoutCode(File.ReadAllText(Repo.Path(file)))))
        {
            var (path, anchor) = (link.Groups[1].Value, link.Groups[2].Value);
            var target = path.Length > 0 ? Path.GetFullPath(path, folder) : Repo.Path(file);
            Assert.True(Path.Exists(target), $"{file} links to {path}, which does not exist");
            if (anchor.Length > 0)
                Assert.True(Anchors(target)
                    .Contains(anchor), $"{file} links to {path}#{anchor}, which is not a heading");
        }
    }

    [Theory]
    [MemberData(nameof(Guides))]
    public void Commands_Exist_WithTheirOptions(string file)
    {
        foreach (Match use in Use().Matches(Code(File.ReadAllText(Repo.Path(file)))))
        {
            Command command = Dvis.Streaming.Hosting.Program.CreateCommand();
            var words = use.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            foreach (var word in words.TakeWhile(_ => command.Subcommands.Count > 0).Where(w => !w.StartsWith('-')))
            {
                var next = command.Subcommands.FirstOrDefault(c => c.Name == word);
                Assert.True(next is not null, $"{file}: '{use.Value}': there is no command '{word}'");
                command = next;
            }

            var options = command.Options.SelectMany(o => o.Aliases.Append(o.Name)).ToList();
            foreach (var word in words.Where(w => w.StartsWith('-')).Select(w => w.Split('=')[0]))
                Assert.True(options.Contains(word), $"{file}: '{use.Value}': there is no option '{word}'");
        }
    }

    [Theory]
    [MemberData(nameof(Guides))]
    public void OptionsOfTheConfiguration_Exist(string file)
    {
        foreach (Match option in Option().Matches(File.ReadAllText(Repo.Path(file))))
        {
            var keys = option.Groups[1].Value.Split('.');
            if (!Exists(typeof(StreamingOptions), [keys[0]]) && !Exists(typeof(CameraDefaults), [keys[0]])) continue;
            Assert.True(
                Exists(typeof(StreamingOptions), keys) || Exists(typeof(CameraDefaults), keys),
                $"{file}: there is no option {option.Groups[1].Value}");
        }
    }

    [Theory]
    [MemberData(nameof(Guides))]
    public void Scripts_Exist(string file)
    {
        foreach (Match use in Script().Matches(Code(File.ReadAllText(Repo.Path(file)))))
        {
            var script = use.Groups[1].Value;
            Assert.True(File.Exists(Repo.Path(script)), $"{file}: ./{script} does not exist");
        }
    }

    [Fact]
    public void Alerts_AreAllExplained()
    {
        var rules = File.ReadAllText(Repo.Path("deploy/prometheus/dvis.rules.yml"));
        var explained = File.ReadAllText(Repo.Path("docs/troubleshooting.md"));
        var alerts = Regex.Matches(rules, @"- alert: (\w+)").Select(m => m.Groups[1].Value).ToList();
        Assert.True(alerts.Count > 10);
        Assert.DoesNotContain(alerts, alert => !explained.Contains($"`{alert}`", StringComparison.Ordinal));
    }

    [Fact]
    public void Guides_HaveLessThanFourThousandWords()
    {
        var texts = Directory.EnumerateFiles(Repo.Path("docs"), "*.md").Select(File.ReadAllText);
        Assert.InRange(texts.Sum(text => Word().Count(text)), 1000, 4000);
    }

    private static bool Exists(Type section, ReadOnlySpan<string> keys)
    {
        foreach (var option in OptionProperty.Of(section))
        {
            if (option.Key != keys[0] && !(option.IsSecret && option.Key + "_file" == keys[0])) continue;
            return keys.Length == 1 || (OptionProperty.IsSection(option.Type) && Exists(option.Type, keys[1..]));
        }

        return false;
    }

    /// <summary>Headings as GitHub names them: lower case, no punctuation, dashes for spaces.</summary>
    private static IEnumerable<string> Anchors(string file) => File.ReadLines(file)
        .Where(line => line.StartsWith('#'))
        .Select(line => line.TrimStart('#').Trim().ToLowerInvariant())
        .Select(heading => Regex.Replace(heading, @"[^\w\- ]", "").Replace(' ', '-'));

    /// <summary>Fenced blocks and inline code, one command per line.</summary>
    private static string Code(string text)
    {
        var spans = CodeSpan().Matches(text.Replace("\\\n", " ", StringComparison.Ordinal));
        return string.Join('\n', spans.Select(m => m.Groups[1].Success ? m.Groups[1].Value : m.Groups[2].Value));
    }

    private static string WithoutCode(string text) => CodeSpan().Replace(text, "");

    [GeneratedRegex(@"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")]
    private static partial Regex Link();

    // A program, and its commands and options up to the first argument or comment.
    [GeneratedRegex(@"(?m)^(?:\S+\$ )?(?:\./)?dvis((?: (?:[a-z]+|--?[a-z][a-z=-]*)(?![\w./:]))+)")]
    private static partial Regex Use();

    [GeneratedRegex(@"`([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`")]
    private static partial Regex Option();

    [GeneratedRegex(@"(?m)^(?:sudo )?\./([a-z][\w/-]*)")]
    private static partial Regex Script();

    [GeneratedRegex(@"(?ms)^```\w*\n(.*?)^```$|`([^`\n]+)`")]
    private static partial Regex CodeSpan();

    [GeneratedRegex(@"[\p{L}\p{N}][\p{L}\p{N}'_./:-]*")]
    private static partial Regex Word();
}
