using System.Text;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>
/// Fills <c>${NAME}</c>, <c>${NAME:-default}</c>, <c>${NAME:?message}</c> and <c>${file:/path}</c> into scalars;
/// <c>$$</c> is a dollar. It runs after the YAML is parsed, so a password with <c>#</c> or <c>:</c> cannot break the
/// file.
/// </summary>
internal sealed class Substitution(Func<string, string?> environment, SecretFiles secrets, ConfigErrors errors)
{
    public YamlNode Apply(YamlNode node, string path = "") => node switch
    {
        YamlScalar scalar => scalar.Value.Contains('$') ? Scalar(scalar, path) : scalar,
        YamlSequence list =>
            new YamlSequence(list.Mark, [.. list.Items.Select((item, i) => Apply(item, $"{path}[{i}]"))]),
        YamlMapping map => new YamlMapping(map.Mark,
            [.. map.Entries.Select(e => e with { Value = Apply(e.Value, KeyPath.Join(path, e.Key)) })]),
        _ => node,
    };

    private YamlScalar Scalar(YamlScalar scalar, string path)
    {
        var result = new StringBuilder();
        var text = scalar.Value;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length || text[i + 1] is not ('$' or '{'))
            {
                result.Append(text[i]);
                continue;
            }

            if (text[i + 1] == '$')
            {
                result.Append('$');
                i++;
                continue;
            }

            var end = text.IndexOf('}', i);
            if (end < 0)
            {
                errors.Add(scalar.Mark, path,
                    "found '${' without '}', expected ${NAME}; a dollar sign itself is written $$");
                break;
            }

            result.Append(Value(text[(i + 2)..end], scalar.Mark, path));
            i = end;
        }

        return scalar with { Value = result.ToString() };
    }

    private string Value(string expression, Mark mark, string path)
    {
        if (expression.StartsWith("file:", StringComparison.Ordinal))
            return secrets.Read(expression[5..], mark, path) ?? "";

        var colon = expression.IndexOf(':');
        var name = colon < 0 ? expression : expression[..colon];
        var rest = colon < 0 ? "" : expression[(colon + 1)..];
        if (!IsName(name) || (colon >= 0 && rest is not ['-' or '?', ..]))
        {
            errors.Add(mark, path,
                $"found '${{{expression}}}', expected ${{NAME}}, ${{NAME:-default}}, ${{NAME:?message}} or "
                + $"${{file:/path}}");
            return "";
        }

        var value = environment(name);
        if (colon < 0)
        {
            if (value is null)
                errors.Add(mark, path,
                    $"the environment variable {name} is not set; expected it, or ${{{name}:-default}}");
            return value ?? "";
        }

        if (!string.IsNullOrEmpty(value)) return value;
        if (rest[0] == '-') return rest[1..];
        errors.Add(mark, path, $"the environment variable {name} is not set: {rest[1..]}");
        return "";
    }

    private static bool IsName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
