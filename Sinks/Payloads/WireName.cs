using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Names of enum members as they stand on the wire: snake case, encoded once.</summary>
internal static class WireName<T> where T : struct, Enum
{
    private static readonly JsonEncodedText[] Encoded = [.. Enum.GetValues<T>().Select(v => JsonEncodedText.Encode(Of(v)))];

    /// <summary>For enums whose members count from 0 without gaps, as ours do. A cast by way of object would be garbage for every track.</summary>
    public static JsonEncodedText Json(T value) => Encoded[Unsafe.As<T, int>(ref value)];

    public static string Of(T value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}
