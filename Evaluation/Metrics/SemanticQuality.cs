using Dvis.Streaming.Pipeline.Masks;

namespace Dvis.Streaming.Evaluation.Metrics;

/// <summary>Mean IoU and video consistency of semantic maps, as the VSPW evaluator computes them.
/// Frames are added one by one, video by video.</summary>
/// <param name="classes">K: classes 0 … K-1; any other label is none.</param>
/// <param name="firstLabel">What the truth's maps call class 0: 1 in VSPW's files, where 0 and 255 are void.</param>
public sealed class SemanticQuality(int classes, int firstLabel)
{
    private readonly long[,] _confusion = new long[classes, classes + 1];
    private readonly Consistency _vc8 = new(8), _vc16 = new(16);

    public void BeginVideo()
    {
        _vc8.BeginVideo();
        _vc16.BeginVideo();
    }

    /// <summary>Scores the next frame of the video.</summary>
    /// <param name="truth">A label a pixel.</param>
    /// <param name="prediction">A class a pixel.</param>
    /// <param name="frame">For messages.</param>
    /// <exception cref="EvaluationException">The maps differ in size,
    /// or from the frame before; names the frame.</exception>
    public void Add(PngImage truth, PngImage prediction, string frame)
    {
        if (truth.Width != prediction.Width || truth.Height != prediction.Height)
            throw new EvaluationException(
                $"{frame}: the prediction is {prediction.Width}x{prediction.Height} pixels, the truth "
                + $"{truth.Width}x{truth.Height}.");
        if (!_vc8.Takes(truth.Pixels.Length))
            throw new EvaluationException(
                $"{frame}: the map is {truth.Width}x{truth.Height} pixels, the one before was of another size.");
        Add(truth.Pixels, prediction.Pixels);
    }

    /// <param name="truth">A label a pixel, row-major.</param>
    /// <param name="prediction">A class a pixel, row-major.</param>
    /// <exception cref="ArgumentException">The maps differ in size, or from the frame before.</exception>
    public void Add(ReadOnlySpan<byte> truth, ReadOnlySpan<byte> prediction)
    {
        if (truth.Length != prediction.Length || !_vc8.Takes(truth.Length))
            throw new ArgumentException(
                $"A prediction of {prediction.Length} pixels does not fit to a truth of {truth.Length}, or to the "
                + $"frame before.", nameof(prediction));
        for (var i = 0; i < truth.Length; i++)
        {
            var label = truth[i] - firstLabel;
            if ((uint)label < classes) _confusion[label, Math.Min((int)prediction[i], classes)]++;
        }

        _vc8.Add(truth, prediction);
        _vc16.Add(truth, prediction);
    }

    public SemanticReport Report()
    {
        var perClass = new double?[classes];
        for (var c = 0; c < classes; c++)
        {
            long wanted = 0, said = 0;
            for (var k = 0; k <= classes; k++) wanted += _confusion[c, k];
            for (var k = 0; k < classes; k++) said += _confusion[k, c];
            if (wanted > 0) perClass[c] = _confusion[c, c] / (double)(wanted + said - _confusion[c, c]);
        }

        return new SemanticReport(perClass.Where(c => c is not null).DefaultIfEmpty(double.NaN)
            .Average()!.Value, _vc8.Mean, _vc16.Mean, perClass);
    }

    /// <summary>
    /// VC_n (Miao et al., VSPW, 2021): of the pixels whose true label holds for n frames, the share whose prediction
    /// holds too; the mean over windows. The evaluator leaves out a video's last window; that is kept.
    /// </summary>
    private sealed class Consistency(int window)
    {
        // For each pixel the frames that its label has held, up to the window.
        private byte[] _truthAge = [], _age = [], _truth = [], _prediction = [];
        private double? _pending;
        private int _frames, _windows;
        private double _sum;

        public double Mean => _windows == 0 ? double.NaN : _sum / _windows;

        public void BeginVideo() => (_frames, _pending) = (0, null);

        public bool Takes(int pixels) => _frames == 0 || pixels == _truth.Length;

        public void Add(ReadOnlySpan<byte> truth, ReadOnlySpan<byte> prediction)
        {
            if (_pending is { } share) (_sum, _windows, _pending) = (_sum + share, _windows + 1, null);
            if (_frames == 0)
                (_truth, _prediction, _truthAge, _age) =
                    (new byte[truth.Length], new byte[truth.Length], new byte[truth.Length], new byte[truth.Length]);
            Grow(truth, _truth, _truthAge);
            Grow(prediction, _prediction, _age);
            if (++_frames < window) return;
            int held = 0, both = 0;
            for (var i = 0; i < _age.Length; i++)
            {
                if (_truthAge[i] < window) continue;
                held++;
                if (_age[i] >= window) both++;
            }

            if (held > 0) _pending = both / (double)held;
        }

        private void Grow(ReadOnlySpan<byte> now, byte[] before, byte[] age)
        {
            for (var i = 0; i < now.Length; i++)
                age[i] = now[i] == before[i] && _frames > 0 ? (byte)Math.Min(age[i] + 1, window) : (byte)1;
            now.CopyTo(before);
        }
    }
}

/// <param name="MeanIoU">Over the classes that the truth shows; NaN without any.</param>
/// <param name="Vc8">Video consistency over 8 frames; NaN without a window.</param>
/// <param name="PerClass">IoU by class; null for one that the truth does not show.</param>
public sealed record SemanticReport(double MeanIoU, double Vc8, double Vc16, IReadOnlyList<double?> PerClass);
