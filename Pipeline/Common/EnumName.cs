using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>
/// Names of enum members in files, messages, metrics and logs: snake case, or the name of a
/// <see cref="JsonStringEnumMemberNameAttribute"/>. Thread-safe.
/// </summary>
public static class EnumName
{
    /// <summary>Name of a declared member.</summary>
    public static string Of<T>(T value) where T : struct, Enum => Cache<T>.Names[value];

    /// <summary>Name of a declared member of an enum that is only known at run time.</summary>
    public static string Of(Enum value)
        => value.GetType().GetField(value.ToString(), BindingFlags.Public | BindingFlags.Static)!
            .GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name
            ?? JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());

    /// <summary>Names of all members, in the order of <see cref="Enum.GetValues(Type)"/>.</summary>
    public static IReadOnlyList<string> All(Type type) => [.. Enum.GetValues(type).Cast<Enum>().Select(Of)];

    /// <summary>The member of this name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static T Parse<T>(string name) where T : struct, Enum
    {
        foreach (var (value, its) in Cache<T>.Names)
            if (its == name) return value;
        throw new ArgumentException($"found '{name}', expected one of {string.Join(", ", Cache<T>.Names.Values)}");
    }

    private static class Cache<T> where T : struct, Enum
    {
        public static readonly Dictionary<T, string> Names = Enum.GetValues<T>().ToDictionary(v => v, v => Of((Enum)v));
    }
}
