using Dvis.Streaming.Pipeline;
using Dvis.Streaming.Pipeline.Evaluation;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Publishing;

namespace Dvis.Streaming.Benchmarks;

/// <summary>How good is what the service publishes: detection, masks and ids of provisional and of final results against rendered truth.</summary>
internal static class Quality
{
    /// <summary>Objects smaller than this many pixels in a frame are not asked for.</summary>
    private const int SmallestArea = 64;

    public static async Task RunAsync(DvisModels models, RefinerOptions refiner, TrackOptions track, IReadOnlyList<string> videos)
    {
        var (provisional, final) = (new Score(), new Score());
        foreach (var video in videos)
        {
            var sink = new CollectingSink();
            var run = new PipelineRun(models, refiner, video, new PublishOptions { MaskGrid = 1 }, _ => [sink]) { Track = track };
            await run.StartAsync();
            await run.RunAsync();
            await run.DisposeAsync();
            using var truth = YtvisTruth.Open(Path.ChangeExtension(video, ".json"));
            provisional.Add(truth, sink.Provisional(truth.Videos[0].Length), models.Manifest);
            final.Add(truth, sink.Final(truth.Videos[0].Length), models.Manifest);
        }

        Console.WriteLine($"{videos.Count} videos | recall | mean IoU | right class | link accuracy | link, misses count | ids kept over gaps | ids an object | identity switches | false, share of what is said");
        Console.WriteLine($"provisional | {provisional}");
        Console.WriteLine($"final | {final}");
    }

    private sealed class Score
    {
        private int _visible, _found, _rightClass, _pairs, _bothFound, _linked, _gaps, _kept, _objects, _ids, _switches, _said, _false;
        private double _iou;

        public void Add(YtvisTruth truth, List<Said>[] frames, ModelManifest model)
        {
            var matched = new HashSet<(int Frame, long Id)>();
            var names = truth.Categories.ToDictionary(c => c.Id, c => c.Name);
            foreach (var wanted in truth.Objects(truth.Videos[0]))
            {
                long? last = null;
                var (lastFrame, lastVisible, returning) = (-1, -1, false);
                var ids = new HashSet<long>();
                for (var f = 0; f < frames.Length; f++)
                {
                    if (wanted.Masks[f] is not { } mask || mask.Area < SmallestArea) continue;
                    _visible++;
                    returning |= last is not null && f - lastVisible > 5;
                    var best = frames[f].Select(s => (Said: s, IoU: RunLengths.IoU(s.Mask, mask))).DefaultIfEmpty().MaxBy(s => s.IoU);
                    _iou += best.IoU;
                    var id = best.IoU >= 0.5 ? best.Said!.Id : (long?)null;
                    if (id is { } found)
                    {
                        _found++;
                        ids.Add(found);
                        if (last is not null && last != found) _switches++;
                        matched.Add((f, found));
                        if (model.Classes[best.Said!.ClassId].Name == names[wanted.CategoryId]) _rightClass++;
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
            $"{Share(_found, _visible)} | {_iou / _visible:0.000} | {Share(_rightClass, _found)} | {Share(_linked, _bothFound)} | {Share(_linked, _pairs)} | {Share(_kept, _gaps)} ({_gaps}) | {(double)_ids / _objects:0.00} | {_switches} | {Share(_false, _said)}";

        private static string Share(int part, int whole) => whole == 0 ? "–" : $"{(double)part / whole:0.000}";
    }

    private sealed record Said(long Id, int ClassId, RunLengthMask Mask);

    private sealed class CollectingSink : IResultSink
    {
        private readonly List<PipelineMessage> _messages = [];

        public string Name => "quality";

        public bool Lossless => true;

        public List<Said>[] Provisional(int frames)
        {
            var said = Empty(frames);
            foreach (var result in _messages.OfType<ProvisionalResult>())
                said[result.Frame.FrameId].AddRange(result.Tracks.Where(t => t.Mask is not null).Select(t => new Said(t.Number, t.ClassId, t.Mask!)));
            return said;
        }

        public List<Said>[] Final(int frames)
        {
            var said = Empty(frames);
            foreach (var track in _messages.OfType<FinalResult>().SelectMany(r => r.Tracks))
                foreach (var seen in track.Frames.Where(s => s is { Visible: true, Mask: not null }))
                    said[seen.FrameId].Add(new Said(track.Number, track.ClassId, seen.Mask!));
            return said;
        }

        public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
        {
            _messages.Add(message);
            return ValueTask.CompletedTask;
        }

        public Task FlushAsync(CancellationToken cancel) => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private static List<Said>[] Empty(int frames) => [.. Enumerable.Range(0, frames).Select(_ => new List<Said>())];
    }
}
