using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;
using static Dvis.Streaming.Pipeline.Tests.Tasks.SceneRig;

namespace Dvis.Streaming.Pipeline.Tests.Tasks;

/// <summary>Task vps from the tracker's step to the final result.</summary>
public sealed class PanopticTests : IDisposable
{
    private readonly SceneRig _rig = new(ModelTask.Vps);

    public void Dispose() => _rig.Dispose();

    /// <summary>Random queries of every class and sureness on one frame: segments,
    /// classes and pixels are those of the official rule.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task RunAsync_OneFrame_IsTheOfficialRule(int seed)
    {
        var random = new Random(seed);
        _rig.Input = new InputGeometry(61, 43, 46, 32, 64, 32, 16, 8);
        var frame = _rig.Frame();
        var cells = 16 * 8;
        for (var q = 0; q < Queries; q++)
        {
            Noise.Logits(random, 16, 8, random.NextDouble() * 3 - 1).CopyTo(frame.Masks.AsSpan(q * cells));
            for (var k = 0; k <= Classes; k++) frame.Logits[q * (Classes + 1) + k] = (float)random.NextDouble();
            frame.Logits[q * (Classes + 1) + random.Next(Classes + 1)] += 4;
        }

        await _rig.RunAsync();

        var (map, segments) = Official(frame.Logits, frame.Masks, cells);
        var result = Assert.Single(_rig.Published.Provisionals);
        var found = Cells(result.Scene!.Map!);
        Assert.Equal(segments.Order(), result.Tracks.Select(t => t.ClassId)
            .Concat(result.Scene.Regions.Select(r => r.ClassId)).Order());
        // Where two queries come within rounding of each other, either may win.
        var same = map.Index().Count(c => c.Item == (found[c.Index]?.ClassId ?? -1));
        Assert.InRange(same, map.Length - 3, map.Length);
    }

    /// <summary>What is too small is no thing, and its pixels are those of what lies below it. A square of 8 x 8
    /// pixels without its corners, which interpolation cuts off.</summary>
    [Theory]
    [InlineData(60.0, 1)]
    [InlineData(60.1, 0)]
    public async Task RunAsync_ThingBelowTheMinAreaOfItsClass_IsNone(double area, int cats)
    {
        _rig.Input = new InputGeometry(32, 24, 32, 24, 32, 24, 8, 6);
        _rig.Panoptic.Overlap = 0.5;
        _rig.Tracks.Classes["cat"] = new() { MinArea = area };
        for (var i = 0; i < 8; i++)
            _rig.Frame().Say(0, Cat, (x, y) => x is 2 or 3 && y is 2 or 3, mask: 8)
                .Say(3, Sky, (_, _) => true, mask: 0.1f);

        await _rig.RunAsync();

        Assert.All(_rig.Published.Provisionals[2..], p =>
        {
            Assert.Equal(cats, p.Tracks.Length);
            Assert.Equal(32 * 24 - 60 * cats, Assert.Single(p.Scene!.Regions).AreaPx);
        });
        Assert.Equal(cats, _rig.Published.Finals.SelectMany(f => f.Tracks).Select(t => t.Number).Distinct().Count());
    }

    [Fact]
    public async Task RunAsync_ThingsMove_KeepTheirIds_AndStuffHasItsClasss()
    {
        _rig.Input = new InputGeometry(32, 24, 32, 24, 32, 24, 8, 6);
        _rig.Panoptic.Overlap = 0.5; // the animals hide a good part of the sky
        for (var i = 0; i < 4; i++)
        {
            var at = i;
            _rig.Frame().Say(0, Cat, (x, y) => x / 2 == at && y < 2).Say(1, Dog, (x, y) =>
                x / 2 == 3 - at && y is 2 or 3).Say(2, Grass, (_, y) => y > 3).Say(3, Sky, (_, y) => y < 4, mask: 4);
        }

        await _rig.RunAsync();

        Assert.All(_rig.Published.Provisionals, p =>
        {
            Assert.Equal([(1L, Cat), (2, Dog)], p.Tracks.Select(t => (t.Number, t.ClassId)));
            Assert.Equal([Grass, Sky], p.Scene!.Regions.Select(r => r.ClassId));
            Assert.Equal([65537L, 65538, Grass + 1, Sky + 1], p.Scene.Map!.Entries.Select(e =>
                SegmentIds.Of(e.ClassId, e.Track)));
            Assert.Equal([1, 2, 3, 4], p.Scene.Map.Entries.Select(e => e.Value));
        });
        Assert.Equal([EventKind.TrackStarted, EventKind.TrackStarted, EventKind.TrackEnded, EventKind.TrackEnded,
            EventKind.TrackFinalized, EventKind.TrackFinalized], _rig.Published.Events.Select(e => e.Kind));
    }

    [Fact]
    public async Task RunAsync_NoCell_BelongsToTwoSegments()
    {
        var random = new Random(9);
        _rig.Input = new InputGeometry(61, 43, 46, 32, 64, 32, 16, 8);
        _rig.Publish.MaskGrid = 2;
        _rig.Panoptic.Overlap = 0.1; // waves that cross everywhere
        for (var i = 0; i < 12; i++)
        {
            var frame = _rig.Frame();
            for (var q = 0; q < Queries; q++)
            {
                Noise.Logits(random, 16, 8, random.NextDouble() * 3 - 1).CopyTo(frame.Masks.AsSpan(q * 128));
                frame.Logits[q * (Classes + 1) + q % Classes] += random.Next(14, 18);
            }
        }

        await _rig.RunAsync();

        foreach (var p in _rig.Published.Provisionals)
            Disjoint(p.Scene!.Map!, [.. p.Tracks.Select(t => (SegmentIds.Of(t.ClassId, t.Number), t.Mask!, t.AreaPx)),
                .. p.Scene.Regions.Select(r => (SegmentIds.Of(r.ClassId, null), r.Mask, r.AreaPx))]);
        foreach (var f in _rig.Published.Finals)
        {
            for (var i = 0; i < f.Frames.Length; i++)
            {
                Disjoint(f.Scene!.Maps[i],
                [
                    .. Seen(f.Tracks, f.Frames[i].FrameId)
                    .Select(s => (SegmentIds.Of(s.ClassId, s.Number), s.Seen.Mask!, s.Seen.AreaPx)),
                    .. Seen(f.Scene.Regions, f.Frames[i].FrameId)
                    .Select(s => (SegmentIds.Of(s.ClassId, null), s.Seen.Mask!, s.Seen.AreaPx)),
                ]);
            }
        }

        Assert.Contains(_rig.Published.Finals, f => f.Tracks.Length > 0 && f.Scene!.Regions.Length > 0);

        static IEnumerable<(long Number, int ClassId, FinalObservation Seen)> Seen(IEnumerable<FinalTrack> tracks,
            long frame)
            => tracks.SelectMany(t =>
                t.Frames.Where(o => o.FrameId == frame && o.Visible).Select(o => (t.Number, t.ClassId, o)));
    }

    [Fact]
    public async Task RunAsync_UnconfirmedThing_IsNobodysUntilItIsShown()
    {
        _rig.Tracks.ConfirmFrames = 2;
        for (var i = 0; i < 2; i++) _rig.Frame().Say(0, Cat, (x, _) => x < 2).Say(3, Sky, (_, _) => true, mask: 4);
        _rig.Panoptic.Overlap = 0.4; // half of the sky is behind the cat

        await _rig.RunAsync();

        var (first, second) = (_rig.Published.Provisionals[0], _rig.Published.Provisionals[1]);
        Assert.Empty(first.Tracks);
        Assert.Null(Cells(first.Scene!.Map!)[0]);
        Assert.Equal(Sky, Cells(first.Scene.Map!)[15]!.Value.ClassId);
        Assert.Equal(new SegmentMapEntry(1, Cat, 1), Cells(second.Scene!.Map!)[0]);
        // The final knows: the track was confirmed before its window was decided.
        Assert.Equal(new SegmentMapEntry(1, Cat, 1), Cells(_rig.Published.Finals[0].Scene!.Maps[0])[0]);
    }

    [Fact]
    public async Task RunAsync_SecondQueryOnATrackedObject_DoesNotCompete()
    {
        _rig.Frame().Say(0, Cat, (x, _) => x < 2);
        for (var i = 0; i < 3; i++)
            _rig.Frame().Say(0, Cat, (x, _) => x < 2, sure: 5).Say(1, Cat, (x, _) => x < 2, sure: 9);

        await _rig.RunAsync();

        Assert.All(_rig.Published.Provisionals, p => Assert.Equal(1, Assert.Single(p.Tracks).Number));
        Assert.All(_rig.Published.Finals, f => Assert.Equal(1, Assert.Single(f.Tracks).Number));
    }

    [Fact]
    public async Task RunAsync_ThingThatIsNeverSure_IsNoTrack()
    {
        for (var i = 0; i < 4; i++) _rig.Frame().Say(0, Cat, (x, _) => x < 2, sure: 2); // a score of 0.65

        await _rig.RunAsync();

        Assert.All(_rig.Published.Provisionals, p => Assert.Empty(p.Tracks));
        Assert.Empty(_rig.Published.Events);
    }

    [Fact]
    public async Task RunAsync_TrackBecomesDoubtful_GoesOnUnseen_AndComesBackWithItsId()
    {
        for (var i = 0; i < 24; i++) _rig.Frame().Say(0, Cat, (x, _) => x < 2, sure: i is >= 4 and < 16 ? 1.5f : 9);

        await _rig.RunAsync();

        var shown = _rig.Published.Provisionals.Select(p => p.Tracks.Length).ToArray();
        Assert.Equal([1, 0, 1], shown.Where((n, i) => i == 0 || n != shown[i - 1]));
        Assert.Equal(1, _rig.Published.Provisionals[^1].Tracks[0].Number);
        Assert.DoesNotContain(_rig.Published.Events, e => e.Kind == EventKind.TrackLost);
    }

    [Fact]
    public async Task RunAsync_StuffOfOneClass_IsOneSegment()
    {
        _rig.Frame().Say(2, Sky, (_, y) => y == 0).Say(4, Sky, (_, y) => y == 2, sure: 5);

        await _rig.RunAsync();

        var region = Assert.Single(Assert.Single(_rig.Published.Provisionals).Scene!.Regions);
        Assert.Equal((Sky, 12), (region.ClassId, (int)region.Box.Height));
        Assert.True(region.Score > 0.99);
        Assert.Single(_rig.Published.Provisionals[0].Scene!.Map!.Entries);
    }

    [Fact]
    public async Task RunAsync_MostlyCovered_IsGivenUp_AndWhatItWonIsNobodys()
    {
        // The grass wins a third of its mask.
        _rig.Frame().Say(0, Cat, (_, y) => y < 2).Say(2, Grass, (_, _) => true, mask: 4);

        await _rig.RunAsync();

        var result = Assert.Single(_rig.Published.Provisionals);
        Assert.Empty(result.Scene!.Regions);
        Assert.Equal([1, 0], result.Scene.Map!.Runs.Where((_, i) => i % 2 == 0).Distinct());
    }

    [Fact]
    public async Task RunAsync_LabelsChosen_OthersAreNobodys()
    {
        _rig.Publish.Labels = ["sky", "dog"];
        _rig.Frame().Say(0, Cat, (_, y) => y == 0).Say(1, Dog, (_, y) => y == 1).Say(3, Sky, (_, y) => y == 2);

        await _rig.RunAsync();

        var result = Assert.Single(_rig.Published.Provisionals);
        Assert.Equal(Dog, Assert.Single(result.Tracks).ClassId);
        Assert.Equal([Dog, Sky], result.Scene!.Map!.Entries.Select(e => e.ClassId));
        Assert.Null(Cells(result.Scene.Map)[0]);
        Assert.Equal(Dog, Assert.Single(_rig.Published.Finals[0].Tracks).ClassId);
    }

    [Fact]
    public async Task RunAsync_MapOff_MakesNone()
    {
        _rig.Publish.Map = MapOutput.Off;
        _rig.Frame().Say(3, Sky, (_, _) => true);

        await _rig.RunAsync();

        Assert.Null(_rig.Published.Provisionals[0].Scene!.Map);
        Assert.Empty(_rig.Published.Finals[0].Scene!.Maps);
        Assert.Single(_rig.Published.Finals[0].Scene!.Regions);
    }

    [Fact]
    public async Task RunAsync_RefinerKnowsBetter_RevisesSegments()
    {
        for (var i = 0; i < 4; i++)
            _rig.Frame().Say(0, Cat, (_, y) => y == 0, sure: 6).Say(2, Grass, (_, y) => y == 2, sure: 6);
        var refined = new Script(4, 3).Say(0, Dog, (_, _) => true, sure: 12).Say(2, Sky, (_, _) => true, sure: 12);
        _rig.Refined = refined.Logits;

        await _rig.RunAsync();

        var final = _rig.Published.Finals[0];
        Assert.Equal((FinalKind.Refined, 1L, 2L), (final.Kind, final.FirstFrame, final.LastFrame));
        var dog = Assert.Single(final.Tracks);
        Assert.Equal((1L, Dog, Cat), (dog.Number, dog.ClassId, dog.ProvisionalClassId));
        var sky = Assert.Single(final.Scene!.Regions);
        Assert.Equal((Sky, new Box(0, 8, 16, 4)), (sky.ClassId, sky.Frames[0].Box with { Y = 8, Height = 4 }));
        Assert.Equal([Grass], final.Scene.Retracted);
        Assert.Equal(2, final.Scene.Maps.Length);
        Assert.Equal([new SegmentMapEntry(1, Dog, 1), new SegmentMapEntry(2, Sky, null)], final.Scene.Maps[1].Entries);
    }

    [Fact]
    public async Task RunAsync_RefinerBehind_RepeatsWhatWasShown()
    {
        for (var i = 0; i < 4; i++) _rig.Frame().Say(0, Cat, (_, y) => y == 0).Say(2, Grass, (_, y) => y == 2);
        _rig.Refined = new Script(4, 3).Logits;

        await _rig.RunAsync(isBehind: () => true);

        var shown = _rig.Published.Provisionals;
        var final = _rig.Published.Finals[0];
        Assert.Equal((FinalKind.Passthrough, FinalReason.Overload), (final.Kind, final.Reason));
        Assert.Equal(shown[..2].Select(p => p.Scene!.Map!.Runs), final.Scene!.Maps.Select(m => m.Runs));
        Assert.Equal(shown[0].Scene!.Map!.Entries, final.Scene.Maps[0].Entries);
        Assert.Equal(shown[0].Scene!.Regions[0].Mask, Assert.Single(final.Scene.Regions).Frames[0].Mask);
        Assert.Empty(final.Scene.Retracted);
    }

    [Fact]
    public async Task RunAsync_RefinerBehindAndToSkip_SaysNothing()
    {
        _rig.Refiner.OnOverload = OverloadPolicy.Skip;
        for (var i = 0; i < 4; i++) _rig.Frame().Say(2, Grass, (_, y) => y == 2);

        await _rig.RunAsync(isBehind: () => true);

        Assert.All(_rig.Published.Finals, f => Assert.Equal((FinalKind.Skipped, null), (f.Kind, f.Scene)));
    }

    [Fact]
    public async Task RunAsync_Gap_BeginsAnEpochWithNewTracksAndTheSameStuff()
    {
        for (var i = 0; i < 4; i++)
            _rig.Frame().Say(0, i < 2 ? Cat : Dog, (_, y) => y == 0).Say(2, Grass, (_, y) => y == 2);

        await _rig.RunAsync(info: (i, f) => f with { ReceivedTicks = (i + (i < 2 ? 0 : 1000)) * 10_000_000 });

        var results = _rig.Published.Provisionals;
        Assert.Equal(2, results.Select(r => r.Epoch).Distinct().Count());
        // The new epoch's first frame is judged by itself: nothing of the old classes is left.
        Assert.Equal(Dog, Assert.Single(results[2].Tracks).ClassId);
        Assert.All(results, r =>
            Assert.Equal((1L, Grass + 1L),
                (Assert.Single(r.Tracks).Number, SegmentIds.Of(Assert.Single(r.Scene!.Regions).ClassId, null))));
        Assert.Equal([FinalReason.Gap, FinalReason.End], _rig.Published.Finals.Select(f => f.Reason));
        Assert.Equal("tracker.reset gap",
            string.Join(' ', _rig.Published.Events.Where(e => e.Kind == EventKind.TrackerReset)
                .Select(e => $"tracker.reset {e.Reason}")));
    }

    /// <summary>One doubtful frame does not take a segment away, a real change does after a few.</summary>
    [Fact]
    public async Task RunAsync_OneDoubtfulFrame_DoesNotFlicker()
    {
        for (var i = 0; i < 12; i++) _rig.Frame().Say(2, i < 6 ? Grass : Sky, (_, _) => true, sure: i == 3 ? 1 : 9);

        await _rig.RunAsync();

        var classes = _rig.Published.Provisionals.Select(p => p.Scene!.Regions is [var one] ? one.ClassId : -1)
            .ToArray();
        Assert.All(classes[..6], c => Assert.Equal(Grass, c));
        Assert.Equal(Sky, classes[^1]);
    }

    /// <summary>The official rule, the plainest way: class of each pixel (-1:
    /// void) and classes of the segments.</summary>
    private (int[] Map, List<int> Segments) Official(float[] logits, float[] masks, int cells)
    {
        var kept = new List<(int ClassId, double Score, double[] Mask)>();
        for (var q = 0; q < Queries; q++)
        {
            var row = logits[(q * (Classes + 1))..((q + 1) * (Classes + 1))];
            var sum = row.Sum(v => Math.Exp(v));
            var best = Array.IndexOf(row, row.Max());
            var score = Math.Exp(row[best]) / sum;
            if (best < Classes && score > 0.8)
                kept.Add(
                    (best, score, PlainUpsampling.Probabilities(masks.AsSpan(q * cells, cells), _rig.Geometry,
                        Stride)));
        }

        var pixels = _rig.Geometry.MaskWidth * _rig.Geometry.MaskHeight;
        int[] winners = [.. Enumerable.Range(0, pixels)
            .Select(i => kept.Count == 0 ? -1 : kept.Index().MaxBy(k => k.Item.Score * k.Item.Mask[i]).Index)];
        var map = Enumerable.Repeat(-1, pixels).ToArray();
        var segments = new List<int>();
        for (var k = 0; k < kept.Count; k++)
        {
            var (classId, _, mask) = kept[k];
            var (won, own) = (winners.Count(w => w == k), mask.Count(m => m >= 0.5));
            var both = Enumerable.Range(0, pixels).Where(i => winners[i] == k && mask[i] >= 0.5).ToList();
            if (won == 0 || own == 0 || both.Count == 0 || (double)won / own < 0.8) continue;
            foreach (var i in both) map[i] = classId;
            if (classId < Grass || !segments.Contains(classId)) segments.Add(classId);
        }

        return (map, segments);
    }

    internal static SegmentMapEntry?[] Cells(SegmentMap map)
        => [.. LabelMapReaderTests.Decode(map.Runs, map.Width, map.Height)
            .Select(v => v == 0 ? (SegmentMapEntry?)null : map.Entries.Single(e => e.Value == v))];

    private static void Disjoint(SegmentMap map, (long Id, RunLengthMask Mask, double Area)[] segments)
    {
        var cells = Cells(map);
        Assert.Equal(map.Entries.Select(e => SegmentIds.Of(e.ClassId, e.Track)).Order(), segments.Select(s => s.Id)
            .Order());
        foreach (var (id, mask, area) in segments)
        {
            var bits = Bitmap.Decode(mask);
            for (var i = 0; i < cells.Length; i++)
                Assert.Equal(bits[i % map.Width, i / map.Width], cells[i] is { } entry
                    && SegmentIds.Of(entry.ClassId, entry.Track) == id);
            Assert.Equal(bits.Area * 4.0, area);
        }
    }
}
