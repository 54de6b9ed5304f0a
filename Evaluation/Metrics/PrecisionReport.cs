namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>The official numbers of YouTube-VIS, each 0 … 1,
/// or -1 where the data set has no object to ask for.</summary>
/// <param name="Ap">Mean over IoU 0.5 … 0.95.</param>
/// <param name="Ar1">Recall with one detection a video and category.</param>
/// <param name="PerThreshold">AP at each of <see cref="VideoPrecision.Thresholds"/>.</param>
/// <param name="PerCategory">By ascending id.</param>
public sealed record PrecisionReport(
    double Ap, double Ap50, double Ap75, double ApSmall, double ApMedium, double ApLarge,
    double Ar1, double Ar10, double Ar100, double ArSmall, double ArMedium, double ArLarge,
    IReadOnlyList<double> PerThreshold, IReadOnlyList<CategoryPrecision> PerCategory)
{
    private const int At50 = 0, At75 = 5, All = 0, Best100 = 2;

    internal static PrecisionReport Of(CategoryTally[] categories)
    {
        var (areas, limits, thresholds) =
            (VideoPrecision.Areas.Length, VideoPrecision.MaxDetections.Length, VideoPrecision.Thresholds.Count);

        // [category][area, limit, threshold]; null where there is nothing to find.
        var cells = Array.ConvertAll(categories, category =>
        {
            var curves = new (double Precision, double Recall)?[areas, limits, thresholds];
            for (var area = 0; area < areas; area++)
            {
                if (category.Objects(area) == 0) continue;
                for (var limit = 0; limit < limits; limit++)
                    foreach (var (t, curve) in category.Curves(area, VideoPrecision.MaxDetections[limit]).Index())
                        curves[area, limit, t] = curve;
            }

            return curves;
        });
        int[] every = [.. Enumerable.Range(0, categories.Length)], all = [.. Enumerable.Range(0, thresholds)];
        return new PrecisionReport(
            Precision(every, All, all), Precision(every, All, [At50]), Precision(every, All, [At75]),
            Precision(every, 1, all), Precision(every, 2, all), Precision(every, 3, all),
            Recall(every, All, 0), Recall(every, All, 1), Recall(every, All, Best100),
            Recall(every, 1, Best100), Recall(every, 2, Best100), Recall(every, 3, Best100),
            [.. all.Select(t => Precision(every, All, [t]))],
            [.. every.Select(c => new CategoryPrecision(
                categories[c].Category, Precision([c], All, all), Precision([c], All, [At50]),
                    Precision([c], All, [At75]), Recall([c], All, 0), Recall([c], All, 1)))]);

        double Precision(int[] which, int area, int[] at) =>
            Mean(from c in which from t in at select cells[c][area, Best100, t]?.Precision);
        double Recall(int[] which, int area, int limit) =>
            Mean(from c in which from t in all select cells[c][area, limit, t]?.Recall);
    }

    private static double Mean(IEnumerable<double?> values) =>
        values.Where(v => v is not null).DefaultIfEmpty(-1).Average()!.Value;
}

/// <inheritdoc cref="PrecisionReport"/>
public sealed record CategoryPrecision(Category Category, double Ap, double Ap50, double Ap75, double Ar1, double Ar10);
