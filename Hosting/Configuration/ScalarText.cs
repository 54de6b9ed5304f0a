using System.Globalization;
using System.Reflection;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Texts to values and back: numbers, durations (<c>500ms</c>), sizes (<c>64KiB</c>),
/// names of enums in snake case.</summary>
internal static class ScalarText
{
    private static readonly (string Unit, double Ms)[] Durations =
        [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
    private static readonly (string Unit, long Bytes)[] Sizes =
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

    /// <summary>False, with what would have been right in <paramref name="expected"/>,
    /// when the text does not fit.</summary>
    public static bool TryParse(string text, Type type, bool isSize, out object? value, out string expected)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        value = null;
        expected = "";
        if (type == typeof(string))
        {
            value = text;
        }
        else if (type == typeof(bool))
        {
            expected = "true or false";
            value = text switch { "true" => true, "false" => false, _ => null };
        }
        else if (type == typeof(TimeSpan))
        {
            expected = "a duration such as 500ms, 10s, 2m or 1h";
            value = Duration(text);
        }
        else if (type.IsEnum)
        {
            var names = EnumName.All(type);
            expected = $"one of {string.Join(", ", names)}{KeyPath.DidYouMean(text, names)}";
            var at = names.ToList().IndexOf(text);
            if (at >= 0) value = Enum.GetValues(type).GetValue(at);
        }
        else if (type == typeof(int) || type == typeof(long))
        {
            expected = isSize ? "a size such as 8192, 64KiB or 256MiB" : "a whole number";
            if ((isSize ? Size(text) : Whole(text)) is { } n)
                value = type == typeof(long) ? n : n is >= int.MinValue and <= int.MaxValue ? (int)n : null;
        }
        else if (type == typeof(double) || type == typeof(float))
        {
            expected = "a number";
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var d)
                && double.IsFinite(d))
                value = type == typeof(float) ? (float)d : d;
        }
        else
        {
            throw new NotSupportedException($"An option of type {type} cannot be read from a text.");
        }

        return value is not null;
    }

    /// <summary>The text that <see cref="TryParse"/> reads back as this value.</summary>
    public static string Format(object value, bool isSize = false) => value switch
    {
        string s => s,
        bool b => b ? "true" : "false",
        TimeSpan t => Format(t),
        Enum e => EnumName.Of(e),
        int or long when isSize => FormatSize(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>Whole numbers whose name ends in <c>Bytes</c> are sizes.</summary>
    public static bool IsSize(PropertyInfo property) => property.Name.EndsWith("Bytes", StringComparison.Ordinal);

    private static long? Whole(string text) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) ? n : null;

    private static TimeSpan? Duration(string text)
    {
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var factor = Array.Find(Durations, d => d.Unit == text[digits..]).Ms;
        return factor > 0 && double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint,
            CultureInfo.InvariantCulture, out var n) && n * factor <= TimeSpan.FromDays(3650).TotalMilliseconds
            ? TimeSpan.FromTicks((long)Math.Round(n * factor * TimeSpan.TicksPerMillisecond))
            : null;
    }

    private static long? Size(string text)
    {
        var unit = Array.Find(Sizes, s => text.EndsWith(s.Unit, StringComparison.Ordinal));
        var number = unit.Unit is null ? text : text[..^unit.Unit.Length];
        return Whole(number) is { } n && n >= 0 && n <= long.MaxValue / Math.Max(1, unit.Bytes)
            ? n * Math.Max(1, unit.Bytes)
            : null;
    }

    private static string Format(TimeSpan t)
    {
        if (t == TimeSpan.Zero) return "0s";
        var unit = Durations.FirstOrDefault(d => t.TotalMilliseconds % d.Ms == 0, ("ms", 1));
        return (t.TotalMilliseconds / unit.Ms).ToString(CultureInfo.InvariantCulture) + unit.Unit;
    }

    private static string FormatSize(long n)
    {
        var unit = Sizes.First(s => n % s.Bytes == 0);
        return n == 0 || unit.Bytes == 1 ? n.ToString(CultureInfo.InvariantCulture) : $"{n / unit.Bytes}{unit.Unit}";
    }
}
