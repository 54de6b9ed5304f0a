using System.Globalization;
using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Sequences;

namespace Dvis.Streaming.Evaluation;

/// <summary>What <c>dvis eval --davis</c> found, as a table and as JSON.</summary>
internal static class SequenceText
{
    private const string Columns
        = "  frames  results      recall       J  class right  tracks per frame  ids  switches";

    /// <summary>Two lines per sequence, and the means over sequences; <c>-</c> where there is no figure.</summary>
    public static IEnumerable<string> Table(SequenceRequest request, SequenceOutcome outcome)
    {
        yield return Text($"{outcome.Model} ({outcome.Precision}, {request.Mode})");
        if (outcome.Sequences.Count == 0) yield break;
        var width = Math.Max("sequence".Length, outcome.Sequences.Max(s => s.Name.Length));
        yield return "sequence".PadRight(width) + Columns;
        foreach (var s in outcome.Sequences)
        {
            yield return Text($"{s.Name.PadRight(width)}  {s.Frames,6}  provisional  {Row(s.Provisional)}");
            yield return Text($"{"".PadRight(width)}  {"",6}  final        {Row(s.Final)}");
        }

        yield return Text($"{"mean".PadRight(width)}  {"",6}  provisional  {Row(outcome.Provisional)}");
        yield return Text($"{"".PadRight(width)}  {"",6}  final        {Row(outcome.Final)}");
        var (count, frames) = (outcome.Sequences.Count, outcome.Sequences.Sum(s => s.Frames));
        var sequences = count == 1 ? "1 sequence" : $"{count} sequences";
        yield return Text($"{sequences}, {frames} frames, {outcome.MillisecondsPerFrame:0.#} ms per frame");
    }

    /// <summary>Shares are 0 … 1; null where there is no figure.</summary>
    public static JsonObject Json(SequenceOutcome outcome) => new()
    {
        ["sequences"] = new JsonArray([.. outcome.Sequences.Select(s => new JsonObject
        {
            ["name"] = s.Name,
            ["frames"] = s.Frames,
            ["provisional"] = Json(s.Provisional),
            ["final"] = Json(s.Final),
        })]),
        ["mean"] = new JsonObject { ["provisional"] = Json(outcome.Provisional), ["final"] = Json(outcome.Final) },
    };

    private static JsonObject Json(SequenceFigures f) => new()
    {
        ["recall"] = f.Recall,
        ["j"] = f.J,
        ["class_right"] = f.ClassRight,
        ["tracks_per_frame"] = f.TracksPerFrame,
        ["ids"] = f.Ids,
        ["switches"] = f.Switches,
    };

    private static JsonObject Json(MeanFigures f) => new()
    {
        ["recall"] = f.Recall,
        ["j"] = f.J,
        ["class_right"] = f.ClassRight,
        ["switches"] = f.Switches,
    };

    private static string Row(SequenceFigures f)
        => Text($"{Shares(f.Recall, f.J, f.ClassRight)}  {f.TracksPerFrame,16:0.00}  {f.Ids,3}  {f.Switches,8}");

    private static string Row(MeanFigures f)
        => Text($"{Shares(f.Recall, f.J, f.ClassRight)}  {"",16}  {"",3}  {f.Switches,8:0.0}");

    private static string Shares(double? recall, double? j, double? classRight)
        => $"{Share(recall),6}  {Share(j),6}  {Share(classRight),11}";

    private static string Share(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "-";

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
