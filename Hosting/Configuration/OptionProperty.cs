using System.Collections.Concurrent;
using System.Reflection;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>The keys of this property's class stand in the section itself, not one level deeper.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class InlineAttribute : Attribute;

/// <summary>One key of a section: a property, reached through the inlined ones that hold it.</summary>
internal sealed record OptionProperty(string Key, PropertyInfo Property, IReadOnlyList<PropertyInfo> Through)
{
    private static readonly ConcurrentDictionary<Type, IReadOnlyList<OptionProperty>> Cache = new();

    public Type Type => Property.PropertyType;

    public bool IsSecret { get; } = Property.IsDefined(typeof(SecretAttribute));

    public bool IsPath { get; } = Property.IsDefined(typeof(FilePathAttribute));

    /// <summary>True for a path of something that may be shipped with the program.</summary>
    public bool IsShipped { get; } = Property.GetCustomAttribute<FilePathAttribute>() is { Shipped: true };

    /// <summary>In the order of the class, which is the order of <c>config.yaml</c>.</summary>
    public static IReadOnlyList<OptionProperty> Of(Type section) =>
        Cache.GetOrAdd(section, static s => [.. Walk(s, [])]);

    /// <summary>True for a class of options, which is a section in the file.</summary>
    public static bool IsSection(Type type) =>
        type.IsClass && type != typeof(string) && !type.IsArray
        && !typeof(System.Collections.IEnumerable).IsAssignableFrom(type);

    /// <summary>Element type of a map of named sections, or null.</summary>
    public static Type? MapElement(Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Dictionary<,>)
        && type.GenericTypeArguments[0] == typeof(string) ? type.GenericTypeArguments[1] : null;

    public object Owner(object section) => Through.Aggregate(section, (o, p) => p.GetValue(o)!);

    public object? Get(object section) => Property.GetValue(Owner(section));

    public void Set(object section, object? value) => Property.SetValue(Owner(section), value);

    private static IEnumerable<OptionProperty> Walk(Type type, IReadOnlyList<PropertyInfo> through)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .OrderBy(p => p.MetadataToken))
        {
            if (property.IsDefined(typeof(InlineAttribute)))
            {
                foreach (var inner in Walk(property.PropertyType, [.. through, property])) yield return inner;
            }
            else if (property.CanWrite)
            {
                yield return new OptionProperty(KeyPath.Snake(property.Name), property, through);
            }
        }
    }
}
