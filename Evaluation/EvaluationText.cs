using System.Globalization;
using System.Text.Json.Nodes;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Common;

namespace Dvis.Streaming.Evaluation;

/// <summary>Reports as the official tools print them, and as JSON.</summary>
internal static class EvaluationText
{
    public static IEnumerable<string> Table(PrecisionReport r)
    {
        yield return Line("Average Precision", "AP", "0.50:0.95", "all", 100, r.Ap);
        yield return Line("Average Precision", "AP", "0.50", "all", 100, r.Ap50);
        yield return Line("Average Precision", "AP", "0.75", "all", 100, r.Ap75);
        yield return Line("Average Precision", "AP", "0.50:0.95", "small", 100, r.ApSmall);
        yield return Line("Average Precision", "AP", "0.50:0.95", "medium", 100, r.ApMedium);
        yield return Line("Average Precision", "AP", "0.50:0.95", "large", 100, r.ApLarge);
        yield return Line("Average Recall", "AR", "0.50:0.95", "all", 1, r.Ar1);
        yield return Line("Average Recall", "AR", "0.50:0.95", "all", 10, r.Ar10);
        yield return Line("Average Recall", "AR", "0.50:0.95", "all", 100, r.Ar100);
        yield return Line("Average Recall", "AR", "0.50:0.95", "small", 100, r.ArSmall);
        yield return Line("Average Recall", "AR", "0.50:0.95", "medium", 100, r.ArMedium);
        yield return Line("Average Recall", "AR", "0.50:0.95", "large", 100, r.ArLarge);
        yield return "";
        yield return Text($" {"category",-24}     AP   AP50   AP75    AR1   AR10");
        foreach (var c in r.PerCategory)
            yield return Text(
                $" {c.Category.Name,-24} {c.Ap,6:F3} {c.Ap50,6:F3} {c.Ap75,6:F3} {c.Ar1,6:F3} {c.Ar10,6:F3}");
    }

    /// <summary>The identity of tracks, in a line.</summary>
    public static string Line(IdentityReport r)
        => Text($"link {Percent(r.Link)}, returned {Percent(r.Returned)} of {r.Gaps}, ")
            + Text($"switches {r.Switches}, missed {Percent(r.Missed)}");

    /// <summary>The difference to other results, in a line.</summary>
    public static string Line((Lead Ap, Lead Ap50) lead)
        => Text($"AP {100 * lead.Ap.Mean:+0.00;-0.00} ({100 * lead.Ap.From:+0.00;-0.00} to ")
            + Text($"{100 * lead.Ap.To:+0.00;-0.00}), AP50 {100 * lead.Ap50.Mean:+0.00;-0.00} ")
            + Text($"({100 * lead.Ap50.From:+0.00;-0.00} to {100 * lead.Ap50.To:+0.00;-0.00}); in brackets 95 %");

    /// <summary>A line a mode, and for one mode alone the whole table before.</summary>
    public static IEnumerable<string> Table(EvaluationRequest request, EvaluationOutcome outcome)
    {
        if (outcome.Scored)
        {
            if (outcome.Scorers is [var only])
            {
                foreach (var line in Table(only)) yield return line;
                yield return "";
            }

            var rows = outcome.Scorers.Select((scorer, i) =>
                (Name: request.Modes[i].ToString(), Figures: Figures(scorer).ToArray())).ToArray();
            var width = rows.Max(r => r.Name.Length);
            yield return "mode".PadRight(width)
                + string.Concat(rows[0].Figures.Select(f => "  " + f.Name.PadLeft(Math.Max(5, f.Name.Length))));
            foreach (var (name, figures) in rows)
                yield return name.PadRight(width)
                    + string.Concat(
                        figures.Select(f => "  " + Percent(f.Value).PadLeft(Math.Max(5, f.Name.Length))));
            foreach (var (row, scorer) in rows.Zip(outcome.Scorers))
                if (scorer is InstanceScorer instances)
                    yield return $"{row.Name.PadRight(width)}  {Line(instances.Identity())}";
        }

        yield return Text($"{outcome.Videos} {(outcome.Videos == 1 ? "video" : "videos")}, {outcome.Frames} frames, ")
            + Text($"{outcome.MillisecondsPerFrame:0.#} ms a frame");
        if (request.Out is not null) yield return $"results in {request.Out}";
    }

    /// <summary>Everything under the names of the modes.</summary>
    public static JsonObject Json(EvaluationRequest request, EvaluationOutcome outcome) => new()
    {
        ["model"] = outcome.Manifest.Name,
        ["version"] = outcome.Manifest.Version,
        ["precision"] = request.Precision,
        ["task"] = EnumName.Of(outcome.Manifest.Task),
        ["data"] = request.Truth,
        ["videos"] = outcome.Videos,
        ["frames"] = outcome.Frames,
        ["ms_per_frame"] = outcome.MillisecondsPerFrame,
        ["top_k"] = request.TopK,
        ["modes"] = outcome.Scored
            ? new JsonObject(outcome.Scorers.Select((scorer, i) =>
                KeyValuePair.Create(request.Modes[i].ToString(), (JsonNode?)Json(scorer))))
            : null,
    };

    private static IEnumerable<string> Table(ModeScorer scorer) => scorer switch
    {
        InstanceScorer instances => Table(instances.Report()!),
        PanopticScorer panoptic => Table(panoptic.Report()!),
        SemanticScorer semantic => Table(semantic.Report()!),
        _ => throw new ArgumentException("Not a scorer of this program.", nameof(scorer)),
    };

    private static JsonObject Json(ModeScorer scorer)
    {
        switch (scorer)
        {
            case InstanceScorer instances:
                var json = Json(instances.Report()!);
                var groups = instances.Groups().Select(g => KeyValuePair.Create(g.Key, (JsonNode?)Json(g.Value)))
                    .ToArray();
                if (groups.Length > 0) json["occlusion"] = new JsonObject(groups);
                json["identity"] = Json(instances.Identity());
                return json;
            case PanopticScorer panoptic:
                return Json(panoptic.Report()!);
            default:
                return Json(((SemanticScorer)scorer).Report()!);
        }
    }

    /// <summary>What papers tell of a method in one line, 0 … 1.</summary>
    private static IEnumerable<(string Name, double Value)> Figures(ModeScorer scorer) => scorer switch
    {
        InstanceScorer instances when instances.Report() is { } r =>
            [("AP", r.Ap), ("AP50", r.Ap50), ("AP75", r.Ap75), ("AR1", r.Ar1), ("AR10", r.Ar10), .. instances.Groups()
                .Select(g => ($"AP {g.Key}", g.Value.Ap))],
        PanopticScorer panoptic when panoptic.Report() is { } r =>
            [("VPQ", r.Vpq), .. r.Windows.Select(w => ($"VPQ{w.Window}", w.All.Pq)), ("STQ", r.Stq.Stq)],
        SemanticScorer semantic when semantic.Report() is { } r =>
            [("mIoU", r.MeanIoU), ("VC8", r.Vc8), ("VC16", r.Vc16)],
        _ => [],
    };

    public static IEnumerable<string> Table(PanopticReport r)
    {
        foreach (var w in r.Windows)
        {
            yield return Text($"VPQ, windows of {w.Window} frame{(w.Window == 1 ? "" : "s")}");
            yield return "          |    PQ     SQ     RQ    N";
            foreach (var (name, score) in new[] { ("All", w.All), ("Things", w.Things), ("Stuff", w.Stuff) })
                yield return Text($"{name,-10}| {100 * score.Pq,5:F1}  {100 * score.Sq,5:F1}  {100 * score.Rq,5:F1} ")
                    + Text($"{score.Categories,5}");
            yield return "";
        }

        yield return Text($"vpq_all:{100 * r.Vpq:F4}");
        yield return Text($"vpq_thing:{100 * r.VpqThings:F4}");
        yield return Text($"vpq_stuff:{100 * r.VpqStuff:F4}");
        yield return Text($"STQ : {r.Stq.Stq}");
        yield return Text($"AQ :{r.Stq.Aq}");
        yield return Text($"IoU:{r.Stq.IoU}");
    }

    public static IEnumerable<string> Table(SemanticReport r)
    {
        yield return Text($"mIoU: {r.MeanIoU:F6} ({r.PerClass.Count(c => c is not null)} classes)");
        yield return Text($"VC8: {r.Vc8:F6}");
        yield return Text($"VC16: {r.Vc16:F6}");
    }

    /// <summary>Each number 0 … 1; null where there is nothing to ask for.</summary>
    public static JsonObject Json(PrecisionReport r) => new()
    {
        ["AP"] = Number(r.Ap),
        ["AP50"] = Number(r.Ap50),
        ["AP75"] = Number(r.Ap75),
        ["APs"] = Number(r.ApSmall),
        ["APm"] = Number(r.ApMedium),
        ["APl"] = Number(r.ApLarge),
        ["AR1"] = Number(r.Ar1),
        ["AR10"] = Number(r.Ar10),
        ["AR100"] = Number(r.Ar100),
        ["ARs"] = Number(r.ArSmall),
        ["ARm"] = Number(r.ArMedium),
        ["ARl"] = Number(r.ArLarge),
        ["ap_per_iou"] = new JsonObject(
            r.PerThreshold.Select((ap, t) =>
                KeyValuePair.Create(VideoPrecision.Thresholds[t].ToString("F2", CultureInfo.InvariantCulture),
                    (JsonNode?)Number(ap)))),
        ["per_category"] = new JsonArray([.. r.PerCategory.Select(c => new JsonObject
        {
            ["id"] = c.Category.Id,
            ["name"] = c.Category.Name,
            ["AP"] = Number(c.Ap),
            ["AP50"] = Number(c.Ap50),
            ["AP75"] = Number(c.Ap75),
            ["AR1"] = Number(c.Ar1),
            ["AR10"] = Number(c.Ar10),
        })]),
    };

    /// <inheritdoc cref="Json(PrecisionReport)"/>
    public static JsonObject Json(IdentityReport r) => new()
    {
        ["link"] = Number(r.Link),
        ["returned"] = Number(r.Returned),
        ["gaps"] = r.Gaps,
        ["switches"] = r.Switches,
        ["missed"] = Number(r.Missed),
    };

    /// <inheritdoc cref="Json(PrecisionReport)"/>
    public static JsonObject Json((Lead Ap, Lead Ap50) lead) => new()
    {
        ["AP"] = new JsonArray(lead.Ap.Mean, lead.Ap.From, lead.Ap.To),
        ["AP50"] = new JsonArray(lead.Ap50.Mean, lead.Ap50.From, lead.Ap50.To),
    };

    /// <inheritdoc cref="Json(PrecisionReport)"/>
    public static JsonObject Json(PanopticReport r) => new()
    {
        ["VPQ"] = Number(r.Vpq),
        ["VPQ_things"] = Number(r.VpqThings),
        ["VPQ_stuff"] = Number(r.VpqStuff),
        ["windows"] = new JsonArray([.. r.Windows.Select(w => new JsonObject
        {
            ["window"] = w.Window,
            ["all"] = Json(w.All),
            ["things"] = Json(w.Things),
            ["stuff"] = Json(w.Stuff),
            ["per_category"] = new JsonArray([.. w.PerCategory.Select(c =>
            {
                var json = Json(c.Score);
                json.Insert(0, "id", c.Category.Id);
                json.Insert(1, "name", c.Category.Name);
                return json;
            })]),
        })]),
        ["STQ"] = Number(r.Stq.Stq),
        ["AQ"] = Number(r.Stq.Aq),
        ["IoU"] = Number(r.Stq.IoU),
        ["per_video"] = new JsonArray([.. r.Stq.PerVideo.Select(v => new JsonObject
        {
            ["video_id"] = v.Video,
            ["frames"] = v.Frames,
            ["STQ"] = Number(v.Stq),
            ["AQ"] = Number(v.Aq),
            ["IoU"] = Number(v.IoU),
        })]),
    };

    /// <inheritdoc cref="Json(PrecisionReport)"/>
    public static JsonObject Json(SemanticReport r) => new()
    {
        ["mIoU"] = Number(r.MeanIoU),
        ["VC8"] = Number(r.Vc8),
        ["VC16"] = Number(r.Vc16),
        ["per_class"] = new JsonArray([.. r.PerClass.Select(c => c is { } iou ? JsonValue.Create(iou) : null)]),
    };

    private static JsonObject Json(PanopticScore score) => new()
    {
        ["PQ"] = Number(score.Pq),
        ["SQ"] = Number(score.Sq),
        ["RQ"] = Number(score.Rq),
        ["categories"] = score.Categories,
    };

    private static string Percent(double value) => value is -1 or double.NaN ? "-" : Text($"{100 * value:F2}");

    private static JsonValue? Number(double value) => value is -1 or double.NaN ? null : JsonValue.Create(value);

    private static string Line(string title, string type, string iou, string area, int limit, double value)
        => Text($" {title,-18} ({type}) @[ IoU={iou,-9} | area={area,6} | maxDets={limit,3} ] = {value:F3}");

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
