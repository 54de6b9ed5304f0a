using System.Buffers;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Protos;
using Google.Protobuf;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of the masks of a frame as <c>dvis.v1.MaskFrame</c>, in as many parts as the budget needs; a mask
/// is never cut. Reused; one thread.</summary>
internal sealed class MaskFrameEncoder(SinkContext context)
{
    // Part numbers are added after the masks are laid out: room for the largest.
    private const int PartFields = 8;

    private readonly ArrayBufferWriter<byte> _payload = new(64 << 10);
    private readonly List<uint> _runs = [];
    private readonly List<Mask> _masks = [];
    private readonly PartPlan _plan = new();
    private (int Width, int Height)? _grid;

    /// <returns>Number of masks left out because they are larger than the budget.</returns>
    public int Encode(ProvisionalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        Begin();
        foreach (var track in result.Tracks) Add(track.Number, track.ClassId, track.Score, track.Mask);
        foreach (var region in result.Scene?.Regions ?? []) Add(null, region.ClassId, region.Score, region.Mask);
        return Emit(result.Frame, result.Epoch, Stage.Provisional, options, budget, emit);
    }

    /// <summary>Emits a message for each processed frame of the window, also without masks: it supersedes the
    /// provisional one.</summary>
    /// <inheritdoc cref="Encode(ProvisionalResult, PublishOptions, int, Action{ReadOnlyMemory{byte}})"/>
    public int Encode(FinalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        var lost = 0;
        foreach (var frame in result.Frames)
        {
            Begin();
            foreach (var track in result.Tracks)
                foreach (var seen in track.Frames)
                    if (seen.FrameId == frame.FrameId && seen.Visible)
                        Add(track.Number, track.ClassId, seen.Score, seen.Mask);
            foreach (var region in result.Scene?.Regions ?? [])
                foreach (var seen in region.Frames)
                    if (seen.FrameId == frame.FrameId) Add(null, region.ClassId, seen.Score, seen.Mask);
            lost += Emit(frame, result.Epoch, Stage.Final, options, budget, emit);
        }

        return lost;
    }

    private void Begin()
    {
        _masks.Clear();
        _plan.Clear();
        _grid = null;
    }

    private void Add(long? track, int classId, float score, RunLengthMask? mask)
    {
        if (mask is null) return;
        _grid = (mask.Width, mask.Height);
        var crop = MaskCrop.Of(mask, _runs);
        var message = new Mask
        {
            TrackN = (ulong)(track ?? 0),
            SegmentId = context.Model.Task == ModelTask.Vis ? 0 : (ulong)SegmentIds.Of(classId, track),
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
        var size = message.CalculateSize();
        _plan.AddSingle(1 + CodedOutputStream.ComputeLengthSize(size) + size);
    }

    private int Emit(FrameInfo frame, string epoch, Stage stage, PublishOptions options, int budget,
        Action<ReadOnlyMemory<byte>> emit)
    {
        var cell = options.MaskGrid;
        var (width, height) = _grid ?? ((frame.Width + cell - 1) / cell, (frame.Height + cell - 1) / cell);
        var message = new MaskFrame
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
