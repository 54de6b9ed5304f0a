using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Methods.Dvis;
using Dvis.Streaming.Pipeline.Methods.GenVis;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Stages;

/// <summary>
/// Tracked frames of a world of four rows of four cells: object <c>i</c> of <see cref="FakeDvis"/> fills row i. What
/// the tracker said (slots, shown) and what the refiner will find (embeddings) are chosen apart.
/// </summary>
internal sealed class ClipBuilder(TensorPool pool)
{
    private static readonly MaskGeometry s_geometry = new(16, 16, 4, 4, 4, 4, 4);

    /// <summary>One frame; a slot that is not named is empty.</summary>
    /// <param name="place">Place in its clip; 0: a frame for the refiner of DVIS.</param>
    /// <param name="shift">Rows by which the objects stand lower in this frame's mask features.</param>
    public TrackedFrame Frame(
        long frameId, Epoch epoch, IEnumerable<Slot> slots, IEnumerable<EndedTrack>? ended = null,
        IEnumerable<IdentityChange>? merges = null, long tracked = 0, int shift = 0,
        int place = 0)
    {
        var occupants = new SlotTrack[FakeDvis.Queries];
        var shown = ImmutableArray.CreateBuilder<TrackObservation>();
        var instance = pool.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
        var logits = pool.Rent(1, FakeDvis.Queries, FakeDvis.Classes + 1);
        instance.Span.Clear();
        logits.Span.Clear();
        foreach (var slot in slots)
        {
            occupants[slot.Index] = new SlotTrack(slot.Identity, slot.State);
            var embedding = instance.Span.Slice(slot.Index * FakeDvis.Hidden, FakeDvis.Hidden);
            embedding[slot.Item] = 1;
            embedding[FakeDvis.Present] = slot.Found;
            FakeDvis.Classify(embedding, slot.Own ?? slot.Found,
                logits.Span.Slice(slot.Index * (FakeDvis.Classes + 1), FakeDvis.Classes + 1));
            if (slot.ShownAs is { } classId) shown.Add(Shown(slot, classId));
        }

        var frameEmbeds = pool.Rent(1, FakeDvis.Queries, FakeDvis.Hidden);
        instance.Span.CopyTo(frameEmbeds.Span);
        var answer = new QueryFrame(instance, logits, pool.Rent(1));
        var queries = place == 0 ? (QueryFrame)new DvisFrame(answer, frameEmbeds) : InClip(answer, frameEmbeds, place);
        var provisional =
            new ProvisionalResult(Info(frameId), epoch.Id, shown.ToImmutable(), -1, 0, new StageLatency());
        return new TrackedFrame(provisional, epoch, s_geometry)
        {
            Tracked = tracked,
            Queries = queries,
            MaskFeatures = Features(shift),
            Slots = occupants,
            Ended = [.. ended ?? []],
            Merges = [.. merges ?? []],
        };
    }

    public static FrameInfo Info(long frameId) => Some.FrameInfo(16, 16, frameId);

    public static TrackIdentity Track(long number, bool confirmed = true) =>
        new(number) { Confirmed = confirmed, Announced = confirmed };

    public static EndedTrack Ended(TrackIdentity track, long lastFrame)
        => new(track, lastFrame, 0, new TrackSummary(Some.Now, Some.Now, 0, 0.9f, [], lastFrame, 1));

    public static Box RowOf(int item) => new(0, item * 4, 16, 4);

    private static TrackObservation Shown(Slot slot, int classId)
        => new(slot.Identity.Number, classId, slot.Score, TrackState.Active, 1, RowOf(slot.Item), 64, 8,
            slot.Item * 4 + 2, true, new RunLengthMask(4, 4, [slot.Item, 1, 15 - slot.Item]), null);

    private GenVisFrame InClip(QueryFrame answer, Tensor embeds, int place)
    {
        var masks = pool.Rent(1, FakeDvis.Queries, FakeDvis.MaskChannels);
        for (var slot = 0; slot < FakeDvis.Queries; slot++)
            FakeDvis.WriteMaskEmbedding(
                embeds.Span.Slice(slot * FakeDvis.Hidden, FakeDvis.Hidden),
                masks.Span.Slice(slot * FakeDvis.MaskChannels, FakeDvis.MaskChannels));
        embeds.Dispose();
        return new GenVisFrame(answer, masks) { ClipPlace = place };
    }

    private Tensor Features(int shift)
    {
        var features = pool.Rent(1, FakeDvis.MaskChannels, 4, 4);
        features.Span.Fill(-1);
        for (var i = 0; i < 4; i++) features.Span.Slice(i * 16 + (i + shift) % 4 * 4, 4).Fill(1);
        return features;
    }

    /// <param name="Item">What the refiner will see in the slot.</param>
    /// <param name="Found">Above 0: it is there.</param>
    /// <param name="ShownAs">Class the provisional result gave it; null: it was not shown.</param>
    /// <param name="Score">Of the provisional result.</param>
    /// <param name="Own">Above 0: it is there by the tracker's logits of the frame; null: as <paramref name="Found"/>.
    /// </param>
    internal sealed record Slot(int Index, TrackIdentity Identity, int Item, float Found = 1, int? ShownAs = null,
        TrackState State = TrackState.Active, float Score = 0.8f, float? Own = null);
}
