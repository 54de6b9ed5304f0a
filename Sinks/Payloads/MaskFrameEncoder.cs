using System.Buffers;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Protos;
using Google.Protobuf;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Masks of a frame as <c>dvis.v1.MaskFrame</c>, in as many parts as the budget asks for.
/// A mask is never cut. Reused; one thread.</summary>
internal sealed class MaskFrameEncoder(SinkContext context)
{
    // Part numbers are counted after the masks are laid out: room for their largest.
    private const int PartFields = 8;
    private readonly bool _segments = context.Model.Task != ModelTask.Vis;
    private readonly ArrayBufferWriter<byte> _payload = new(64 << 10);
    private readonly List<uint> _runs = [];
    private readonly List<Mask> _masks = [];
    private readonly PartPlan _plan = new();

    /// <returns>Masks that were larger than the budget and left out.</returns>
    public int Encode(ProvisionalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        Begin();
        (int, int)? grid = null;
        foreach (var track in result.Tracks)
            if (track.Mask is { } mask) grid = Add(track.Number, track.ClassId, track.Score, mask);
        foreach (var region in result.Scene?.Regions ?? []) grid = Add(null, region.ClassId, region.Score, region.Mask);
        return Emit(Header(result.Frame, result.Epoch, Stage.Provisional, grid, options), budget, emit);
    }

    /// <summary>Every processed frame of the window gets its message, also one without masks:
    /// it supersedes the provisional one.</summary>
    /// <inheritdoc cref="Encode(ProvisionalResult, PublishOptions, int, Action{ReadOnlyMemory{byte}})"/>
    public int Encode(FinalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        var lost = 0;
        foreach (var frame in result.Frames)
        {
            Begin();
            (int, int)? grid = null;
            foreach (var track in result.Tracks)
                foreach (var seen in track.Frames)
                    if (seen.FrameId == frame.FrameId && seen is { Visible: true, Mask: { } mask })
                        grid = Add(track.Number, track.ClassId, seen.Score, mask);
            foreach (var region in result.Scene?.Regions ?? [])
                foreach (var seen in region.Frames)
                    if (seen.FrameId == frame.FrameId && seen.Mask is { } mask)
                        grid = Add(null, region.ClassId, seen.Score, mask);
            lost += Emit(Header(frame, result.Epoch, Stage.Final, grid, options), budget, emit);
        }

        return lost;
    }

    private void Begin()
    {
        _masks.Clear();
        _plan.Clear();
    }

    private (int, int) Add(long? number, int classId, float score, RunLengthMask mask)
    {
        var crop = MaskCrop.Of(mask, _runs);
        var message = new Mask
        {
            TrackN = (ulong)(number ?? 0),
            SegmentId = _segments ? (ulong)SegmentIds.Of(classId, number) : 0,
            ClassId = (uint)classId,
            Score = score,
            X = (uint)crop.X,
            Y = (uint)crop.Y,
            W = (uint)crop.Width,
            H = (uint)crop.Height,
            Order = Order.ColumnMajor,
        };
        message.Runs.AddRange(_runs);
        _masks.Add(message);
        _plan.AddGroup(0);
        var size = message.CalculateSize();
        _plan.AddItem(1 + CodedOutputStream.ComputeLengthSize(size) + size);
        return (mask.Width, mask.Height);
    }

    private MaskFrame Header(FrameInfo frame, string epoch, Stage stage, (int Width, int Height)? grid,
        PublishOptions options)
    {
        var cell = options.MaskGrid;
        var (width, height) = grid ?? ((frame.Width + cell - 1) / cell, (frame.Height + cell - 1) / cell);
        return new()
        {
            Camera = frame.Camera,
            Session = context.Session,
            Epoch = epoch,
            FrameId = (ulong)frame.FrameId,
            Pts = frame.Pts,
            TimebaseNum = frame.Timebase.Numerator == 1 ? 0 : (uint)frame.Timebase.Numerator,
            TimebaseDen = (uint)frame.Timebase.Denominator,
            StampNs = (ulong)(frame.Capture.Stamp - DateTimeOffset.UnixEpoch).Ticks * 100,
            Stage = stage,
            FrameW = (uint)frame.Width,
            FrameH = (uint)frame.Height,
            GridW = (uint)width,
            GridH = (uint)height,
        };
    }

    private int Emit(MaskFrame message, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        _plan.Make(budget - message.CalculateSize() - PartFields);
        message.Parts = (uint)_plan.Parts;
        for (var part = 0; part < _plan.Parts; part++)
        {
            message.Part = (uint)part + 1;
            message.Masks.Clear();
            foreach (var slice in _plan.Slices)
                if (slice.Part == part) message.Masks.Add(_masks[slice.Group]);
            _payload.ResetWrittenCount();
            message.WriteTo(_payload);
            emit(_payload.WrittenMemory);
        }

        return _plan.Lost;
    }
}
