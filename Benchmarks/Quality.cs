using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Benchmarks;

/// <summary>How good is what the service publishes: detection,
/// masks and ids of provisional and of final results against rendered truth.</summary>
internal static class Quality
{
    /// <summary>Objects smaller than this many pixels in a frame are not asked for.</summary>
    private const int SmallestArea = 64;

    public static async Task RunAsync(ModelGraphs models, RefinerOptions refiner, TrackOptions track,
        IReadOnlyList<string> videos)
    {
        var (provisional, final) = (new Score(), new Score());
        foreach (var video in videos)
        {
            var published = new PublishedTracks();
            var options = new PublishOptions { MaskGrid = 1 };
            var run = new PipelineRun(models, refiner, video, options, _ => [published]) { Track = track };
            await run.StartAsync();
            await run.RunAsync();
            await run.DisposeAsync();
            using var truth = YtvisTruth.Open(Path.ChangeExtension(video, ".json"));
            provisional.Add(truth, published.Provisional(truth.Videos[0].Length), models.Manifest);
            final.Add(truth, published.Final(truth.Videos[0].Length), models.Manifest);
        }

        Console.WriteLine(
            $"{videos.Count} videos | recall | mean IoU | right class | link accuracy | link, misses count | ids kept "
            + $"over gaps | ids an object | identity switches | false, share of what is said");
        Console.WriteLine($"provisional | {provisional}");
        Console.WriteLine($"final | {final}");
    }

    private sealed class Score
    {
        private int _visible, _found, _rightClass, _pairs, _bothFound, _linked, _gaps, _kept, _objects, _ids, _switches,
            _said, _false;
        private double _iou;

        public void Add(YtvisTruth truth, IReadOnlyList<PublishedTrack>[] frames, ModelManifest model)
        {
            var matched = new HashSet<(int Frame, TrackId Id)>();
            var names = truth.Categories.ToDictionary(c => c.Id, c => c.Name);
            foreach (var wanted in truth.Objects(truth.Videos[0]))
            {
                TrackId? last = null;
                var (lastFrame, lastVisible, returning) = (-1, -1, false);
                var ids = new HashSet<TrackId>();
                for (var f = 0; f < frames.Length; f++)
                {
                    if (wanted.Masks[f] is not { } mask || mask.Area < SmallestArea) continue;
                    _visible++;
                    returning |= last is not null && f - lastVisible > 5;
                    var (best, iou) = PublishedTrack.Best(frames[f], mask);
                    _iou += iou;
                    var id = iou >= SequenceFigures.Match ? best!.Id : (TrackId?)null;
                    if (id is { } found)
                    {
                        _found++;
                        ids.Add(found);
                        if (last is not null && last != found) _switches++;
                        matched.Add((f, found));
                        if (model.Classes[best!.ClassId].Name == names[wanted.CategoryId]) _rightClass++;
                        if (returning)
                        {
                            _gaps++;
                            if (last == found) _kept++;
                            returning = false;
                        }
                    }

                    if (lastVisible == f - 1 && f > 0)
                    {
                        _pairs++;
                        if (id is not null && lastFrame == f - 1)
                        {
                            _bothFound++;
                            if (id == last) _linked++;
                        }
                    }

                    lastVisible = f;
                    if (id is not null) (last, lastFrame) = (id, f);
                }

                if (ids.Count == 0) continue;
                _objects++;
                _ids += ids.Count;
            }

            for (var f = 0; f < frames.Length; f++)
            {
                _said += frames[f].Count;
                _false += frames[f].Count(s => !matched.Contains((f, s.Id)));
            }
        }

        public override string ToString() =>
            $"{Share(_found, _visible)} | {_iou / _visible:0.000} | {Share(_rightClass, _found)} | "
            + $"{Share(_linked, _bothFound)} | {Share(_linked, _pairs)} | {Share(_kept, _gaps)} ({_gaps}) | "
                + $"{(double)_ids / _objects:0.00} | {_switches} | {Share(_false, _said)}";

        private static string Share(int part, int whole) => whole == 0 ? "–" : $"{(double)part / whole:0.000}";
    }
}
