using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods.RefineVis;

namespace Dvis.Streaming.Pipeline.Tests.Methods.RefineVis;

/// <summary>Each step of IDOL's association on detections small enough to follow by hand.</summary>
public sealed class TrackletAssociationTests
{
    private const long Background = TrackletAssociation.Background, Ignored = TrackletAssociation.Ignored;
    private const long Removed = TrackletAssociation.Removed;

    // Far from each other: the softmaxes of their products are 0 or 1 to four digits.
    private static readonly float[] s_x = [4, 0, 0], s_y = [0, 4, 0], s_z = [0, 0, 4];

    private TrackletAssociation _association = Create(new AssociationRule());

    [Fact]
    public void Associate_MaskIoUAboveTheThreshold_RemovesTheWeakerDetectionOfAnyLabel()
    {
        // IoU with the first: 4/9 is not above 0.5, 5/8 is.
        var ids = Frame(
            new(0.9f, s_x, 0..6), new(0.8f, s_y, 2..9), new(0.7f, s_z, 1..8), new(0.6f, s_z, 20..22));

        Assert.Equal([0, 1, Removed, 2], ids);
    }

    [Fact]
    public void Associate_WeakDetectionWithTheMaskOfARemovedOne_Stays()
    {
        // The third overlaps with the second by 6/10, but with the first by 3/13 only.
        var ids = Frame(new(0.9f, s_x, 0..8), new(0.8f, s_y, 2..10), new(0.7f, s_z, 4..12));

        Assert.Equal([0, Removed, 1], ids);
    }

    [Fact]
    public void Associate_FirstFrame_BeginsTrackletsAboveInit()
    {
        _association = Create(new AssociationRule { Init = 0.5, AddNew = 0.1 });

        Assert.Equal([0, Background], Frame(new(0.6f, s_x, 0..4), new(0.5f, s_y, 10..14)));
        Assert.Equal([0, 1], Frame(new(0.6f, s_x, 0..4), new(0.5f, s_y, 10..14)));
    }

    [Fact]
    public void Associate_RestDetections_AreIgnoredWhereTheyOverlapWithABetterOne()
    {
        // 1 of 20 cells is not below 0.05; 1 of 21 is. The very first detection has no better one.
        Assert.Equal([Background, Ignored], Frame(new(0.2f, s_x, 0..10), new(0.1f, s_y, 9..20)));
        Assert.Equal([Background, Background], Frame(new(0.2f, s_x, 0..10), new(0.1f, s_y, 9..21)));
    }

    [Fact]
    public void Associate_ObjectsInAnotherOrder_KeepTheirIds()
    {
        Assert.Equal([0, 1, 2], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14), new(0.7f, s_z, 20..24)));
        Assert.Equal([2, 0, 1], Frame(new(0.9f, s_z, 0..4), new(0.8f, s_x, 10..14), new(0.7f, s_y, 20..24)));
    }

    /// <summary>
    /// Tracklets x = (1,0), y = (0,1), detection (a,a): over tracklets 1/2 each, over one detection 1; S = 0.75.
    /// A second detection makes the softmax over detections count.
    /// </summary>
    [Fact]
    public void Associate_Similarity_IsTheMeanOfBothSoftmaxes()
    {
        Frame(new(0.9f, [1, 0, 0], 0..4), new(0.8f, [0, 1, 0], 10..14));

        // x: (e/(e+1) + e/(e+1)) / 2 = 0.731. The other has 1/2 over tracklets; over detections 1/(e+1) and
        // 1/(1+1): 0.384 for x, and 0.5 for y, which is not above 0.5.
        Assert.Equal([0, 2], Frame(new(0.9f, [1, 0, 0], 0..4), new(0.8f, [0, 0, 0], 10..14)));
    }

    [Fact]
    public void Associate_TwoDetectionsOfOneTracklet_GiveItToTheBetter()
    {
        Frame(new Detection(0.9f, s_x, 0..4));

        // Over the only tracklet both have 1: S = (1 + 1/2) / 2 = 0.75 each, and 0 for the second once it is taken.
        Assert.Equal([0, 1], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_x, 10..14)));
    }

    /// <summary>
    /// Of tracklets x, seen three times, and y, seen once, the detection (1, 1.2) is nearer to y: S = 0.725 and 0.775.
    /// </summary>
    [Theory]
    [InlineData(TrackletMemory.Weighted, 0)] // 3 x 0.725 against 1 x 0.775
    [InlineData(TrackletMemory.Momentum, 1)]
    public void Associate_SeveralSimilarTracklets_PrefersTheOneSeenInMoreFrames(TrackletMemory memory, long expected)
    {
        _association = Create(new AssociationRule { Memory = memory });
        Frame(new Detection(0.9f, [1, 0, 0], 0..4));
        Frame(new Detection(0.9f, [1, 0, 0], 0..4));
        Assert.Equal([0, 1], Frame(new(0.9f, [1, 0, 0], 0..4), new(0.8f, [0, 1, 0], 10..14)));

        Assert.Equal([expected], Frame(new Detection(0.9f, [1, 1.2f, 0], 0..4)));
    }

    [Fact]
    public void Associate_TrackletUnseenForTenFrames_LeavesAndItsIdNeverReturns()
    {
        Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14));
        for (var frame = 1; frame < 10; frame++) Assert.Equal([0], Frame(new Detection(0.9f, s_x, 0..4)));
        // Nine frames later it still returns …
        Assert.Equal([0, 1], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14)));

        // … and ten frames later not.
        for (var frame = 1; frame <= 10; frame++) Assert.Equal([0], Frame(new Detection(0.9f, s_x, 0..4)));
        Assert.Equal([0, 2], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14)));
    }

    [Fact]
    public void Associate_FrameWithoutDetections_CountsAsAFrame()
    {
        Frame(new Detection(0.9f, s_x, 0..4));
        for (var frame = 1; frame <= 10; frame++) Assert.Empty(Frame());

        Assert.Empty(_association.Store.Live);
        Assert.Equal([1], Frame(new Detection(0.9f, s_x, 0..4)));
    }

    [Fact]
    public void Reset_NumbersBeginAgain()
    {
        Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14));
        _association.Reset();

        Assert.Equal([0], Frame(new Detection(0.9f, s_y, 10..14)));
        Assert.Equal(0, _association.Store.Frame);
    }

    [Fact]
    public void Associate_AllSlotsTaken_WeakestUnseenTrackletLeaves()
    {
        _association = Create(new AssociationRule(), slots: 3);
        Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14), new(0.5f, s_z, 20..24));

        // y and z are not seen, and z had the lower score.
        Assert.Equal([0, 3], Frame(new(0.9f, s_x, 0..4), new(0.4f, [-4, -4, -4], 10..14)));

        Assert.Equal([0L, 1, 3], _association.Store.Live.Select(t => t.Id));
        Assert.Equal([0, 1, 2], _association.Store.Live.Select(t => t.Slot).Order());
        Assert.Equal((1, 0), (_association.Store.Evicted, _association.Store.Refused));
    }

    [Fact]
    public void Associate_AllTrackletsSeen_RefusesWhatIsNew()
    {
        _association = Create(new AssociationRule(), slots: 1);
        Frame(new Detection(0.9f, s_x, 0..4));

        Assert.Equal([0, Background], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14)));

        Assert.Equal((0, 1), (_association.Store.Evicted, _association.Store.Refused));
    }

    [Fact]
    public void Associate_SlotOfATrackletThatLeft_RestsBeforeAnotherGetsIt()
    {
        _association = Create(new AssociationRule(), slots: 2, rest: 3);
        Frame(new(0.9f, s_x, 0..4), new(0.8f, s_y, 10..14));

        // y leaves in the first of these frames, but its slot is empty for three.
        for (var frame = 0; frame < 3; frame++)
            Assert.Equal([0, Background], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_z, 20..24)));
        Assert.Equal([0, 2], Frame(new(0.9f, s_x, 0..4), new(0.8f, s_z, 20..24)));

        Assert.Equal((1, 3), (_association.Store.Evicted, _association.Store.Refused));
    }

    /// <summary>Embeddings 8, 1, 2, 4, all of score 0.5: the first is cut, the rest weigh 5, 7 and 9 sixths.</summary>
    [Fact]
    public void WriteMemory_Weighted_IsTheMeanOfTheLastThreeByScoreAndTime()
    {
        var tracklet = Filled(TrackletMemory.Weighted, 8, 1, 2, 4);
        var memory = new float[1];

        tracklet.WriteMemory(memory);

        Assert.Equal((5 * 1 + 7 * 2 + 9 * 4) / 21f, memory[0], 1e-5f);
        Assert.Equal(4, tracklet.Seen);
    }

    [Fact]
    public void WriteMemory_WeightedOfOne_IsIt()
    {
        var memory = new float[1];

        Filled(TrackletMemory.Weighted, 8).WriteMemory(memory);

        Assert.Equal(8, memory[0], 1e-5f);
    }

    /// <summary>8, then 0.2 x 8 + 0.8 x 1 = 2.4, then 0.2 x 2.4 + 0.8 x 2 = 2.08.</summary>
    [Fact]
    public void WriteMemory_Momentum_IsTheExponentialMeanOfAll()
    {
        var memory = new float[1];

        Filled(TrackletMemory.Momentum, 8, 1, 2).WriteMemory(memory);

        Assert.Equal(2.08f, memory[0], 1e-5f);
    }

    private static Tracklet Filled(TrackletMemory memory, params float[] embeds)
    {
        var tracklet = new Tracklet(0, 1, new AssociationRule { Memory = memory });
        tracklet.Begin(0);
        foreach (var embedding in embeds) tracklet.Append([embedding], 0.5f, 0);
        return tracklet;
    }

    private static TrackletAssociation Create(AssociationRule rule, int slots = 8, int rest = 0)
        => new(3, rule, new TrackletStore(3, rule, slots, rest));

    private long[] Frame(params Detection[] detections)
    {
        var masks = detections.Select(d =>
        {
            var logits = new float[32];
            Array.Fill(logits, -1);
            logits.AsSpan(d.Cells).Fill(1);
            var bits = new MaskBits();
            bits.Assign(logits);
            return bits;
        });
        return _association.Associate(
            detections.Select(d => d.Score).ToArray(), detections.SelectMany(d => d.Embedding).ToArray(),
            [.. masks]).ToArray();
    }

    private readonly record struct Detection(float Score, float[] Embedding, Range Cells);
}
