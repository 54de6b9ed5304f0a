using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using static Dvis.Streaming.Pipeline.Tests.Tasks.SceneRig;

namespace Dvis.Streaming.Pipeline.Tests.Tasks;

/// <summary>Task vss from the tracker's step to the final result.</summary>
public sealed class SemanticTests : IDisposable
{
    private readonly SceneRig _rig = new(ModelTask.Vss);

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 4)]
    public async Task RunAsync_OneFrame_IsTheOfficialRule(int seed, int grid)
    {
        var random = new Random(seed);
        _rig.Input = new InputGeometry(61, 43, 46, 32, 64, 32, 16, 8);
        _rig.Publish.MaskGrid = grid;
        var frame = _rig.Frame();
        for (var q = 0; q < Queries; q++)
        {
            Noise.Logits(random, 16, 8).CopyTo(frame.Masks.AsSpan(q * 128));
            for (var k = 0; k <= Classes; k++) frame.Logits[q * (Classes + 1) + k] = (float)random.NextDouble() * 4;
        }

        await _rig.RunAsync();

        var map = PanopticTests.Cells(Assert.Single(_rig.Published.Provisionals).Scene!.Map!);
        var final = PanopticTests.Cells(Assert.Single(Assert.Single(_rig.Published.Finals).Scene!.Maps));
        var masks = Enumerable.Range(0, Queries).Select(q =>
            PlainUpsampling.Probabilities(frame.Masks.AsSpan(q * 128, 128), _rig.Geometry, Stride)).ToArray();
        for (var i = 0; i < map.Length; i++)
        {
            var sums = new double[Classes];
            for (var q = 0; q < Queries; q++)
            {
                var row = frame.Logits[(q * (Classes + 1))..((q + 1) * (Classes + 1))];
                for (var c = 0; c < Classes; c++) sums[c] += Math.Exp(row[c]) / row.Sum(v => Math.Exp(v)) * masks[q][i];
            }

            Assert.InRange(sums[map[i]!.Value.ClassId], sums.Max() - SemanticMixture.Slack - 1e-4, double.MaxValue);
            Assert.InRange(sums[final[i]!.Value.ClassId], sums.Max() - SemanticMixture.Slack - 1e-4, double.MaxValue);
        }
    }

    [Fact]
    public async Task RunAsync_Classes_AreRegionsWithTheirPixels_AndNothingIsTracked()
    {
        for (var i = 0; i < 3; i++) _rig.Frame().Say(0, Cat, (_, y) => y == 0).Say(2, Grass, (_, y) => y > 0);

        await _rig.RunAsync();

        Assert.All(_rig.Published.Provisionals, p =>
        {
            Assert.Empty(p.Tracks);
            Assert.Equal([Cat, Grass], p.Scene!.Regions.Select(r => r.ClassId));
            Assert.Equal([new SegmentMapEntry(1, Cat, null), new SegmentMapEntry(3, Grass, null)],
                p.Scene.Map!.Entries);
            Assert.Equal(16 * 12, p.Scene.Regions.Sum(r => r.AreaPx));
        });
        Assert.Equal([1L, 2, 3], _rig.Published.Finals.SelectMany(f => f.Frames).Select(f => f.FrameId));
        Assert.All(_rig.Published.Finals, f => Assert.Equal(f.Frames.Length, f.Scene!.Maps.Length));
        Assert.Empty(_rig.Published.Events);
    }

    [Fact]
    public async Task RunAsync_RefinerKnowsBetter_RevisesClasses()
    {
        for (var i = 0; i < 3; i++) _rig.Frame().Say(0, Cat, (_, y) => y == 0, sure: 6).Say(2, Grass, (_, y) => y > 0);
        _rig.Refined = new Script(4, 3).Say(0, Dog, (_, _) => true, sure: 14).Say(2, Grass, (_, _) => true).Logits;

        await _rig.RunAsync();

        Assert.All(_rig.Published.Finals, f =>
        {
            Assert.Equal([Dog, Grass], f.Scene!.Regions.Select(r => r.ClassId));
            Assert.Equal([Cat], f.Scene.Retracted);
        });
    }

    [Fact]
    public async Task RunAsync_LabelsChosen_OthersAreNobodys()
    {
        _rig.Publish.Labels = ["grass"];
        _rig.Frame().Say(0, Cat, (_, y) => y == 0).Say(2, Grass, (_, y) => y > 0);

        await _rig.RunAsync();

        var scene = Assert.Single(_rig.Published.Provisionals).Scene!;
        Assert.Equal(Grass, Assert.Single(scene.Regions).ClassId);
        Assert.Null(PanopticTests.Cells(scene.Map!)[0]);
    }
}
