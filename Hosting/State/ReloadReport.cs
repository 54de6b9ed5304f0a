namespace Dvis.Streaming.Hosting.State;

/// <summary>How the last attempt to take over a changed configuration went.</summary>
/// <param name="Outcome"><c>applied, unchanged, invalid, refused, failed</c>:
/// after the last three the old configuration still holds.</param>
/// <param name="Detail">For a person, without secrets; one line an error.</param>
internal sealed record ReloadReport(string Outcome, DateTimeOffset At, string Detail)
{
    public static IReadOnlyList<string> Outcomes { get; } = ["applied", "unchanged", "invalid", "refused", "failed"];

    public bool Successful => Outcome is "applied" or "unchanged";
}
