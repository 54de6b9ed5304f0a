using System.Text.RegularExpressions;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Replaces <c>${NAME}</c>, <c>${NAME:-default}</c>, <c>${NAME:?message}</c> and <c>${file:/path}</c> in scalars;
/// <c>$$</c> is a dollar sign. It runs after the YAML is parsed, so a password with <c>#</c> or <c>:</c> cannot break
/// the file.
/// </summary>
internal sealed partial class Substitution(
    Func<string, string?> environment, SecretFiles secrets, ConfigErrors errors)
{
    public YamlNode Apply(YamlNode node, string path = "") => node switch
    {
        YamlScalar scalar => scalar with { Value = Dollar().Replace(scalar.Value, m => Value(m, scalar.Mark, path)) },
        YamlSequence list =>
            new YamlSequence(list.Mark, [.. list.Items.Select((item, i) => Apply(item, $"{path}[{i}]"))]),
        YamlMapping map => new YamlMapping(map.Mark,
            [.. map.Entries.Select(e => e with { Value = Apply(e.Value, KeyPath.Join(path, e.Key)) })]),
        _ => node,
    };

    private string Value(Match match, Mark mark, string path)
    {
        if (match.Value == "$$") return "$";
        if (match.Groups["open"].Success)
            return Fail("found '${' without '}', expected ${NAME}; a dollar sign itself is written $$");
        if (match.Groups["file"] is { Success: true } file) return secrets.Read(file.Value, mark, path) ?? "";
        if (match.Groups["name"] is not { Success: true, Value: var name })
            return Fail($"found '{match.Value}', expected ${{NAME}}, ${{NAME:-default}}, ${{NAME:?message}} or "
                + "${file:/path}");

        var value = environment(name);
        if (match.Groups["default"] is { Success: true } otherwise)
            return string.IsNullOrEmpty(value) ? otherwise.Value : value;
        if (match.Groups["message"] is { Success: true } message)
            return string.IsNullOrEmpty(value)
                ? Fail($"the environment variable {name} is not set: {message.Value}")
                : value;
        return value
            ?? Fail($"the environment variable {name} is not set; expected it, or ${{{name}:-default}}");

        string Fail(string problem)
        {
            errors.Add(mark, path, problem);
            return "";
        }
    }

    [GeneratedRegex(
        @"\$\$|\$\{(?:file:(?<file>[^}]*)|(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<default>[^}]*)|:\?(?<message>[^}]*))?"
        + @"|[^}]*)\}|(?<open>\$\{.*)", RegexOptions.Singleline)]
    private static partial Regex Dollar();
}
