using System.Collections;
using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Property whose class has its keys in the section itself, not one level deeper.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class InlineAttribute : Attribute;

/// <summary>One key of a section: a property, and the inlined one that holds it.</summary>
internal sealed record OptionProperty(string Key, PropertyInfo Property, PropertyInfo? Through)
{
    private static readonly ConcurrentDictionary<Type, IReadOnlyList<OptionProperty>> s_cache = new();

    public Type Type => Property.PropertyType;

    public bool IsSecret { get; } = Property.IsDefined(typeof(SecretAttribute));

    public bool IsPath { get; } = Property.IsDefined(typeof(FilePathAttribute));

    /// <summary>True for a path that may be of a file shipped with the program.</summary>
    public bool IsShipped { get; } = Property.GetCustomAttribute<FilePathAttribute>() is { Shipped: true };

    /// <summary>True for a path of a file that must exist.</summary>
    public bool MustExist { get; } = Property.GetCustomAttribute<FilePathAttribute>() is { Exists: true };

    /// <summary>Keys of a section in the order of its class, inherited ones last.</summary>
    public static IReadOnlyList<OptionProperty> Of(Type section) =>
        s_cache.GetOrAdd(section, static s => [.. Walk(s, null)]);

    /// <summary>True for a class of options, which is a section in the file.</summary>
    public static bool IsSection(Type type) =>
        type.IsClass && type != typeof(string) && !type.IsArray
        && !typeof(IEnumerable).IsAssignableFrom(type);

    /// <summary>Element type of a map of named sections, or null.</summary>
    public static Type? MapElement(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>)
        && type.GenericTypeArguments[0] == typeof(string) ? type.GenericTypeArguments[1] : null;

    /// <summary>A section and all sections inside it, with their paths.</summary>
    public static IEnumerable<(string Path, object Section)> Sections(object section, string path = "")
    {
        yield return (path, section);
        foreach (var option in Of(section.GetType()))
        {
            var (key, value) = (KeyPath.Join(path, option.Key), option.Get(section));
            if (value is IDictionary map)
                foreach (DictionaryEntry entry in map)
                    foreach (var inner in Sections(entry.Value!, $"{key}.{entry.Key}")) yield return inner;
            else if (value is not null && IsSection(option.Type))
                foreach (var inner in Sections(value, key)) yield return inner;
        }
    }

    /// <summary>Expectation of an attribute that <paramref name="value"/> does not meet, in the terms of the file;
    /// null: none.</summary>
    public string? Broken(object? value) =>
        Property.GetCustomAttributes<ValidationAttribute>().FirstOrDefault(rule => !rule.IsValid(value)) switch
        {
            null => null,
            RangeAttribute r when r.Minimum.Equals(r.Maximum) => $"expected {ScalarText.Format(r.Minimum)}",
            RangeAttribute r => $"expected {ScalarText.Format(r.Minimum)} to {ScalarText.Format(r.Maximum)}",
            AllowedValuesAttribute { Values: var allowed } when value is string text =>
                $"expected {ScalarText.OneOf(text, [.. allowed.OfType<string>()])}",
            AllowedValuesAttribute { Values: var allowed } => $"expected one of {string.Join(", ", allowed)}",
            RequiredAttribute => "expected a value",
            MinLengthAttribute m => $"expected at least {m.Length} {(m.Length == 1 ? "entry" : "entries")}",
            MaxLengthAttribute m => $"expected at most {m.Length} entries",
            RegularExpressionAttribute { ErrorMessage: { } message } => message,
            RegularExpressionAttribute r => $"expected to match {r.Pattern}",
            var rule => rule.FormatErrorMessage(Key),
        };

    public object? Get(object section) => Property.GetValue(Owner(section));

    public void Set(object section, object? value) => Property.SetValue(Owner(section), value);

    private object Owner(object section) => Through?.GetValue(section) ?? section;

    private static IEnumerable<OptionProperty> Walk(Type type, PropertyInfo? through) => type
        .GetProperties(BindingFlags.Public | BindingFlags.Instance)
        .OrderBy(p => p.DeclaringType != type).ThenBy(p => p.MetadataToken)
        .SelectMany(p => p.IsDefined(typeof(InlineAttribute)) ? Walk(p.PropertyType, p)
            : p.CanWrite ? [new OptionProperty(KeyPath.Snake(p.Name), p, through)]
            : []);
}
