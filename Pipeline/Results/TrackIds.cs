using System.Globalization;

namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Ids of tracks on the wire, never reused.</summary>
public static class TrackIds
{
    /// <summary><c>{epoch}-{number}</c>.</summary>
    public static string Of(string epoch, long number) =>
        string.Create(CultureInfo.InvariantCulture, $"{epoch}-{number}");
}
