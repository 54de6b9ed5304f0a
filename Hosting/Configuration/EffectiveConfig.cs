using System.Collections;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Options in force, after files, environment and defaults, as YAML. Secrets are masked.</summary>
internal static partial class EffectiveConfig
{
    public static string Write(LoadedConfig config)
    {
        var text = new StringBuilder();
        Section(text, config.Options, 0);
        return Redaction.Apply(text.ToString(), config.Secrets);
    }

    /// <summary>Hash of the configuration without its secrets: 16 hexadecimal digits.</summary>
    public static string Hash(LoadedConfig config) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Write(config))))[..16];

    private static void Section(StringBuilder text, object section, int indent)
    {
        foreach (var option in OptionProperty.Of(section.GetType()))
        {
            text.Append(' ', indent).Append(option.Key).Append(':');
            var value = option.Get(section);
            if (value is IDictionary { Count: > 0 } map)
            {
                text.AppendLine();
                foreach (DictionaryEntry entry in map)
                {
                    text.Append(' ', indent + 2).Append(Key((string)entry.Key)).AppendLine(":");
                    Section(text, entry.Value!, indent + 4);
                }
            }
            else if (value is not null && OptionProperty.IsSection(option.Type))
                Section(text.AppendLine(), value, indent + 2);
            else text.Append(' ').AppendLine(Text(option, value));
        }
    }

    private static string Key(string name) => PlainKey().IsMatch(name) ? name : Quote(name, isSize: false);

    [GeneratedRegex("^[A-Za-z0-9_-]+$")]
    private static partial Regex PlainKey();

    private static string Text(OptionProperty option, object? value) => value switch
    {
        null => "null",
        IDictionary => "{}",
        string when option.IsSecret => $"\"{Redaction.Mask}\"",
        Array items => $"[{string.Join(", ", items.Cast<object>().Select(i => Text(option, i)))}]",
        _ => Quote(value, ScalarText.IsSize(option.Property)),
    };

    private static string Quote(object value, bool isSize)
    {
        var text = ScalarText.Format(value, isSize);
        // A dollar is doubled, as the configuration is written.
        return value is string or Enum ? $"\"{Regex.Replace(text, @"[\\""]", @"\$0").Replace("$", "$$")}\"" : text;
    }
}
