using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods.RefineVis;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Methods.RefineVis;

/// <summary>The association beside IDOL's published tracker, on scripted detections of 40 to 60 frames.</summary>
public sealed class IdolCasesTests
{
    private const int Channels = 32, Cells = 24 * 40;

    public static TheoryData<string, AssociationRule> Cases => new()
    {
        { "ytvis_settings", new AssociationRule() },
        { "ovis_settings", new AssociationRule { NmsPre = 0.3, AddNew = 0.3 } },
        { "momentum", new AssociationRule { Memory = TrackletMemory.Momentum } },
    };

    [Theory]
    [MemberData(nameof(Cases), DisableDiscoveryEnumeration = true)]
    public void Associate_OnDetectionsOfTheReference_GivesEveryDetectionItsId(string name, AssociationRule rule)
    {
        using var npz = new Npz(Shared.Path($"data/cases/idol/{name}.npz"));
        var (frames, ids) = (npz.Integers("frame").Values, npz.Integers("id").Values);
        var (scores, embeds) = (npz.Floats("score").Values, npz.Floats("embed").Values);
        var masks = Array.ConvertAll(npz.Halves("mask").Values, value => (float)value);
        var association = new TrackletAssociation(Channels, rule, new TrackletStore(Channels, rule, 100, 0));

        List<long> found = [];
        for (var (from, frame) = (0, 0); from < frames.Length; frame++)
        {
            var count = frames.Skip(from).TakeWhile(f => f == frame).Count();
            MaskBits[] bits = [.. Enumerable.Range(from, count).Select(i => Mask(masks.AsSpan(i * Cells, Cells)))];
            found.AddRange(association.Associate(
                scores.AsSpan(from, count), embeds.AsSpan(from * Channels, count * Channels), bits));
            from += count;
        }

        Assert.Equal(ids, found);
        Assert.Equal(0, association.Store.Refused);
    }

    private static MaskBits Mask(ReadOnlySpan<float> logits)
    {
        var bits = new MaskBits();
        bits.Assign(logits);
        return bits;
    }
}
