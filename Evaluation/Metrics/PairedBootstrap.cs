namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>
/// Difference in average precision of two results on the same videos, with a 95 % interval: as many videos are drawn
/// with replacement, and both results are scored on each draw (paired bootstrap; Efron and Tibshirani, 1993).
/// </summary>
public static class PairedBootstrap
{
    private const int Draws = 1000;

    /// <summary>How far <paramref name="later"/> is ahead of <paramref name="former"/>.</summary>
    /// <exception cref="ArgumentException">They were not scored on the same videos.</exception>
    public static (Lead Ap, Lead Ap50) Compare(VideoPrecision later, VideoPrecision former)
    {
        long[] videos = [.. later.VideoIds.Order()];
        if (!videos.SequenceEqual(former.VideoIds.Order()))
            throw new ArgumentException("The results are not of the same videos.", nameof(former));
        var random = new Random(0);
        var (ap, ap50) = (new double[Draws], new double[Draws]);
        for (var draw = 0; draw < Draws; draw++)
        {
            var often = videos.ToDictionary(v => v, _ => 0);
            for (var i = 0; i < videos.Length; i++) often[videos[random.Next(videos.Length)]]++;
            (ap[draw], ap50[draw]) = Difference(often);
        }

        var (mean, mean50) = Difference(videos.ToDictionary(v => v, _ => 1));
        return (Interval(mean, ap), Interval(mean50, ap50));

        (double Ap, double Ap50) Difference(Dictionary<long, int> often)
        {
            var (of, than) = (later.Weighted(often), former.Weighted(often));
            return (of.Ap - than.Ap, of.Ap50 - than.Ap50);
        }
    }

    private static Lead Interval(double mean, double[] draws)
    {
        Array.Sort(draws);
        return new Lead(mean, draws[(int)(0.025 * Draws)], draws[(int)(0.975 * Draws)]);
    }
}

/// <param name="Mean">On the videos as they are.</param>
/// <param name="From">Lower end of the 95 % interval.</param>
/// <param name="To">Its upper end.</param>
public readonly record struct Lead(double Mean, double From, double To);
