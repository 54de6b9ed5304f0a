using System.Buffers;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Protos;
using Google.Protobuf;
using MapEntry = Dvis.Streaming.Sinks.Protos.MapEntry;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// The map of a frame as <c>dvis.v1.MapFrame</c>, in as many parts as the budget asks for;
/// a frame without a map gives no message. Reused; one thread.
/// </summary>
internal sealed class MapEncoder(SinkContext context)
{
    // Below this a part cannot be sure to hold one entry or one run.
    private const int LeastRoom = 64;

    // Part numbers, and tag and length of each list, counted at their largest.
    private const int PartFields = 8 + 3 * 7;

    private readonly ArrayBufferWriter<byte> _payload = new(64 << 10);
    private readonly MapPicture _picture = new(context.Model);
    private readonly List<MapEntry> _entries = [];
    private readonly List<Slice> _slices = [];
    private readonly MapFrame _message = new();

    /// <summary>What a part holds of entries, runs (counted as numbers, two a run) and bytes of the picture.</summary>
    private readonly record struct Slice(Range Entries, Range Runs, Range Png);

    /// <returns>Maps left out because the budget is too small for any part.</returns>
    public int Encode(ProvisionalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
        => result.Scene?.Map is { } map
            ? Encode(map, result.Frame, result.Epoch, Stage.Provisional, options, budget, emit)
            : 0;

    /// <summary>Every processed frame of the window gets its message: it supersedes the provisional one.</summary>
    /// <inheritdoc cref="Encode(ProvisionalResult, PublishOptions, int, Action{ReadOnlyMemory{byte}})"/>
    public int Encode(FinalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        if (result.Scene is not { Maps.Length: > 0 } scene) return 0;
        var lost = 0;
        for (var i = 0; i < scene.Maps.Length; i++)
            lost += Encode(scene.Maps[i], result.Frames[i], result.Epoch, Stage.Final, options, budget, emit);
        return lost;
    }

    private int Encode(SegmentMap map, FrameInfo frame, string epoch, Stage stage, PublishOptions options, int budget,
        Action<ReadOnlyMemory<byte>> emit)
    {
        var png = options.Map == MapOutput.Png ? _picture.Encode(map) : null;
        Fill(map, frame, epoch, stage, png is not null);
        var room = budget - _message.CalculateSize() - PartFields;
        if (room < LeastRoom) return 1;
        Plan(map, png, room);
        _message.Parts = (uint)_slices.Count;
        for (var part = 0; part < _slices.Count; part++)
        {
            var (entries, runs, bytes) = _slices[part];
            _message.Part = (uint)part + 1;
            _message.Entries.Clear();
            for (var i = entries.Start.Value; i < entries.End.Value; i++) _message.Entries.Add(_entries[i]);
            _message.Runs.Clear();
            for (var i = runs.Start.Value; i < runs.End.Value; i++) _message.Runs.Add((uint)map.Runs[i]);
            _message.Png = png is null ? ByteString.Empty : UnsafeByteOperations.UnsafeWrap(png.AsMemory(bytes));
            _payload.ResetWrittenCount();
            _message.WriteTo(_payload);
            emit(_payload.WrittenMemory);
        }

        return 0;
    }

    private void Fill(SegmentMap map, FrameInfo frame, string epoch, Stage stage, bool png)
    {
        var m = _message;
        (m.Camera, m.Session, m.Epoch, m.FrameId, m.Pts) =
            (frame.Camera, context.Session, epoch, (ulong)frame.FrameId, frame.Pts);
        (m.TimebaseNum, m.TimebaseDen) =
            (frame.Timebase.Numerator == 1 ? 0 : (uint)frame.Timebase.Numerator, (uint)frame.Timebase.Denominator);
        m.StampNs = (ulong)(frame.Capture.Stamp - DateTimeOffset.UnixEpoch).Ticks * 100;
        (m.Stage, m.FrameW, m.FrameH, m.GridW, m.GridH) =
            (stage, (uint)frame.Width, (uint)frame.Height, (uint)map.Width, (uint)map.Height);
        m.Encoding = png ? MapEncoding.Png : MapEncoding.Runs;
        (m.Part, m.Parts, m.Png) = (0, 0, ByteString.Empty);
        m.Entries.Clear();
        m.Runs.Clear();
        for (var i = 0; i < map.Entries.Length; i++)
        {
            if (_entries.Count == i) _entries.Add(new MapEntry());
            var (value, classId, track) = map.Entries[i];
            (_entries[i].Value, _entries[i].ClassId, _entries[i].TrackN) =
                ((uint)value, (uint)classId, (ulong)(track ?? 0));
            _entries[i].SegmentId = (ulong)SegmentIds.Of(classId, track);
        }
    }

    /// <summary>Fills part after part: entries first, then runs, of which none is cut, or the picture.</summary>
    private void Plan(SegmentMap map, byte[]? png, int room)
    {
        _slices.Clear();
        var (entry, run, at, runs) = (0, 0, 0, png is null ? map.Runs.Length : 0);
        do
        {
            var (firstEntry, firstRun, firstByte, left) = (entry, run, at, room);
            for (; entry < map.Entries.Length && SizeOf(_entries[entry]) is var size && size <= left; entry++)
                left -= size;
            if (entry == map.Entries.Length)
            {
                for (; run < runs && SizeOf(map.Runs, run) is var size && size <= left; run += 2) left -= size;
                if (png is not null) at += Math.Min(left, png.Length - at);
            }

            _slices.Add(new Slice(firstEntry..entry, firstRun..run, firstByte..at));
        }
        while (entry < map.Entries.Length || run < runs || at < (png?.Length ?? 0));
    }

    private static int SizeOf(MapEntry entry)
    {
        var size = entry.CalculateSize();
        return 1 + CodedOutputStream.ComputeLengthSize(size) + size;
    }

    private static int SizeOf(int[] runs, int at) =>
        CodedOutputStream.ComputeUInt32Size((uint)runs[at]) + CodedOutputStream.ComputeUInt32Size((uint)runs[at + 1]);
}
