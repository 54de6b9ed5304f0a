using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>What the refiner changed in a frame, as the page receives it.</summary>
public sealed class FrameRevisionTests : IDisposable
{
    private static readonly RunLengthMask s_left = Mask(x => x < 4), s_right = Mask(x => x >= 4);

    private readonly TempFolder _temp = new();
    private readonly ModelManifest _model;

    public FrameRevisionTests() =>
        _model = ModelFolder.Open(TinyDvis.Write(_temp.Path("model"))).Manifest;

    [Fact]
    public void Of_EveryKindOfChange_IsNamed()
    {
        var shown = Shown((1, 0, s_left), (2, 0, s_left), (3, 0, s_left), (4, 1, s_right), (5, 1, s_left));
        var revision = Revise(
            shown, FinalKind.Refined, [new([4], 6, 1)],
            (1, 0, s_left), (2, 1, s_left), (3, 0, s_right), (6, 1, s_right), (7, 0, s_left));

        Assert.Equal(
            [
                ("E-1", null, null, 1.0), ("E-2", "class", "circle", 1.0), ("E-3", "mask", null, 0.0),
                ("E-6", null, null, 1.0), ("E-7", "new", null, null),
            ],
            revision.Tracks.Select(t => (t.Id, t.Change, t.Was, t.Iou)));
        Assert.Equal(["E-5"], revision.Retracted);
        Assert.Equal([new MergeView("E-4", "E-6")], revision.Merged);
        Assert.Equal(("refined", null, 250.0), (revision.Kind, revision.Reason, revision.DelayMs));
        Assert.Equal(
            [(4, 0), (4, 8), (8, 0), (8, 8)],
            Assert.Single(revision.Tracks[2].Polygons).Chunk(2).Select(p => (p[0], p[1])).Order());
    }

    [Fact]
    public void Of_SkippedWindow_RetractsNothing() =>
        Assert.Empty(Revise(Shown((1, 0, s_left)), FinalKind.Skipped, []).Retracted);

    [Fact]
    public void IoU_OfRandomMasks_IsThatOfTheirCells()
    {
        var random = new Random(5);
        for (var i = 0; i < 200; i++)
        {
            bool[] a = [.. Enumerable.Range(0, 48).Select(_ => random.Next(3) == 0)];
            bool[] b = [.. Enumerable.Range(0, 48).Select(_ => random.Next(2) == 0)];
            double both = a.Zip(b).Count(c => c.First && c.Second), either = a.Zip(b).Count(c => c.First || c.Second);
            Assert.Equal(
                either == 0 ? null : both / either, MaskOverlap.IoU(Encode(8, 6, a), Encode(8, 6, b)));
        }

        Assert.Null(MaskOverlap.IoU(s_left, Encode(4, 4, new bool[16])));
        Assert.Null(MaskOverlap.IoU(s_left, null));
    }

    public void Dispose() => _temp.Dispose();

    private FrameRevision Revise(
        ShownFrame shown, FinalKind kind, IdentityChange[] merges,
        params (long Number, int ClassId, RunLengthMask Mask)[] tracks) => FrameRevision.Of(
        shown,
        new FinalResult(
            "cam", "E", 0, 2, [Some.FrameInfo(8, 8, 1)], kind, FinalReason.None,
            [
                .. tracks.Select(t => new FinalTrack(
                    t.Number, t.ClassId, 0.9f, null,
                    [
                        new(0, 0.5f, false, default, 0, null, null),
                        new(1, 0.5f, true, new(0, 0, 8, 8), 64, t.Mask, null),
                    ])),
            ],
            [], [.. merges], new StageLatency(Refine: 3)),
        TimeSpan.FromMilliseconds(250), _model, new TrackViews());

    private static ShownFrame Shown(params (long Number, int ClassId, RunLengthMask Mask)[] tracks) => new(
        new ProvisionalResult(
            Some.FrameInfo(8, 8, 1), "E",
            [
                .. tracks.Select(t => new TrackObservation(
                    t.Number, t.ClassId, 0.5f, TrackState.Active, 1, default, 1, 0, 0, false, t.Mask, null)),
            ],
            -1, 0, new StageLatency()), 0, null, [], [], []);

    private static RunLengthMask Mask(Predicate<int> column) =>
        Encode(8, 8, [.. Enumerable.Range(0, 64).Select(i => column(i / 8))]);

    /// <param name="cells">Down the columns.</param>
    private static RunLengthMask Encode(int width, int height, bool[] cells)
    {
        var (counts, current) = (new List<int> { 0 }, false);
        foreach (var cell in cells)
        {
            if (cell != current) counts.Add(0);
            current = cell;
            counts[^1]++;
        }

        return new(width, height, [.. counts]);
    }
}
