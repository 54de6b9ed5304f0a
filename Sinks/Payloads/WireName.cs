using System.Runtime.CompilerServices;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Names of enum members (<see cref="EnumName"/>) as JSON, encoded once.</summary>
internal static class WireName<T> where T : struct, Enum
{
    private static readonly JsonEncodedText[] s_encoded =
        [.. Enum.GetValues<T>().Select(v => JsonEncodedText.Encode(EnumName.Of(v)))];

    /// <summary>Name of a member of an enum that counts from 0 without gaps; allocates nothing.</summary>
    public static JsonEncodedText Json(T value) => s_encoded[Unsafe.As<T, int>(ref value)];
}
