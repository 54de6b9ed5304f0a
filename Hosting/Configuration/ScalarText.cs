using System.Globalization;
using System.Reflection;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Conversion of texts to values and back: numbers, durations, sizes, names of enum members.</summary>
internal static class ScalarText
{
    private static readonly (string Name, long Factor)[] s_durations =
        [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    private static readonly (string Name, long Factor)[] s_sizes =
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

    /// <summary>False when the text is no value of this type; <paramref name="expected"/> describes one.</summary>
    /// <param name="type">The type of the option or, when it may be null, that of its value.</param>
    public static bool TryParse(string text, Type type, bool isSize, out object? value, out string expected)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        (value, expected) = Type.GetTypeCode(type) switch
        {
            TypeCode.String => ((object?)text, ""),
            TypeCode.Boolean => (Switch(text), "true or false"),
            _ when type == typeof(TimeSpan) => (Duration(text), "a duration such as 500ms, 10s, 2m or 1h"),
            _ when type.IsEnum => (Member(text, type), OneOf(text, EnumName.All(type))),
            TypeCode.Int32 or TypeCode.Int64 when isSize => (Size(text), "a size such as 8192, 64KiB or 256MiB"),
            TypeCode.Int32 or TypeCode.Int64 => (Whole(text), "a whole number"),
            TypeCode.Double => (Number(text), "a number"),
            _ => throw new NotSupportedException($"An option of type {type} cannot be read from a text."),
        };
        if (value is long whole && type == typeof(int))
            value = whole is >= int.MinValue and <= int.MaxValue ? (int)whole : null;
        return value is not null;
    }

    /// <summary>The text that <see cref="TryParse"/> reads back as this value.</summary>
    public static string Format(object value, bool isSize = false) => value switch
    {
        bool b => b ? "true" : "false",
        TimeSpan t => Format(t),
        Enum e => EnumName.Of(e),
        int or long when isSize => FormatSize(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        _ => $"{value}",
    };

    /// <summary>Whole numbers whose name ends in <c>Bytes</c> are sizes.</summary>
    public static bool IsSize(PropertyInfo property) => property.Name.EndsWith("Bytes", StringComparison.Ordinal);

    /// <summary><c>one of a, b</c>, with a suggestion.</summary>
    public static string OneOf(string found, IReadOnlyList<string> known) =>
        $"one of {string.Join(", ", known)}{KeyPath.DidYouMean(found, known)}";

    private static bool? Switch(string text) => text.ToLowerInvariant() switch
    {
        "true" or "on" or "yes" => true,
        "false" or "off" or "no" => false,
        _ => null,
    };

    // "on" and "off" have the other words of a switch, too.
    private static Enum? Member(string text, Type type)
    {
        var word = Switch(text) is { } on ? on ? "on" : "off" : text;
        return Enum.GetValues(type).Cast<Enum>().FirstOrDefault(member => EnumName.Of(member) == word);
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var n) && double.IsFinite(n)
            ? n
            : null;

    private static long? Whole(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? n : null;

    private static TimeSpan? Duration(string text)
    {
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var factor = Array.Find(s_durations, d => d.Name == text[digits..]).Factor;
        return factor > 0 && double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture, out var n) && n * factor <= TimeSpan.FromDays(3650).TotalMilliseconds
            ? TimeSpan.FromTicks((long)Math.Round(n * factor * TimeSpan.TicksPerMillisecond))
            : null;
    }

    private static long? Size(string text)
    {
        var (name, factor) = s_sizes.FirstOrDefault(s => text.EndsWith(s.Name, StringComparison.Ordinal), ("", 1));
        return Whole(text[..^name.Length]) is { } n && n >= 0 && n <= long.MaxValue / factor ? n * factor : null;
    }

    private static string Format(TimeSpan t)
    {
        if (t == TimeSpan.Zero) return "0s";
        var (name, factor) = s_durations.FirstOrDefault(d => t.TotalMilliseconds % d.Factor == 0, ("ms", 1));
        return $"{t.TotalMilliseconds / factor}{name}";
    }

    private static string FormatSize(long n)
    {
        var (name, factor) = s_sizes.First(s => n % s.Factor == 0);
        return n == 0 || factor == 1 ? $"{n}" : $"{n / factor}{name}";
    }
}
