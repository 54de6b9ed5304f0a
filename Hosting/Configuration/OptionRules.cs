using System.ComponentModel.DataAnnotations;
using System.Reflection;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>The limits in the attributes of an option, told in the words of the file.</summary>
internal static class OptionRules
{
    /// <summary>What was expected instead of <paramref name="value"/>, or null when it is fine.</summary>
    public static string? Broken(PropertyInfo property, object? value)
    {
        foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
        {
            if (rule.IsValid(value)) continue;
            return rule switch
            {
                RangeAttribute r => $"expected {Bound(r, r.Minimum)} to {Bound(r, r.Maximum)}",
                AllowedValuesAttribute a =>
                    $"expected one of "
                    + $"{string.Join(", ", Allowed(a))}{(value is string s ? KeyPath.DidYouMean(s, Allowed(a)) : "")}",
                RequiredAttribute => "expected a value",
                MinLengthAttribute m => $"expected at least {m.Length} {(m.Length == 1 ? "entry" : "entries")}",
                MaxLengthAttribute m => $"expected at most {m.Length} entries",
                RegularExpressionAttribute { ErrorMessage: { } message } => message,
                RegularExpressionAttribute r => $"expected to match {r.Pattern}",
                _ => rule.FormatErrorMessage(KeyPath.Snake(property.Name)),
            };
        }

        return null;
    }

    private static IEnumerable<string> Allowed(AllowedValuesAttribute rule) =>
        rule.Values.Where(v => v is not null).Select(v => ScalarText.Format(v!));

    // A range of durations is given to the attribute as text and becomes a value at the first check.
    private static string Bound(RangeAttribute rule, object bound) =>
        bound is string text && rule.OperandType == typeof(TimeSpan)
        && TimeSpan.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var t)
        ? ScalarText.Format(t)
        : ScalarText.Format(bound);
}
