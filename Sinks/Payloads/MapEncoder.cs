using System.Buffers;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Protos;
using Google.Protobuf;
using MapEntry = Dvis.Streaming.Sinks.Protos.MapEntry;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Encoder of the map of a frame as <c>dvis.v1.MapFrame</c>, in as many parts as the budget needs; a frame
/// without a map has no message. Reused; one thread.</summary>
internal sealed class MapEncoder(SinkContext context)
{
    // A smaller part may hold no entry or run.
    private const int LeastRoom = 64;

    // Part numbers, and tag and length of each list, at their largest.
    private const int PartFields = 8 + 3 * 7;

    private readonly ArrayBufferWriter<byte> _payload = new(64 << 10);
    private readonly MapImage _image = new(context.Model);
    private readonly MapFrame _message = new();
    private readonly List<MapEntry> _entries = []; // reused; there may be more than the map has
    private readonly List<Slice> _slices = [];

    /// <summary>Content of a part: entries, runs (two numbers per run), bytes of the image.</summary>
    private readonly record struct Slice(Range Entries, Range Runs, Range Png);

    /// <returns>Number of maps left out because the budget is too small for any part.</returns>
    public int Encode(ProvisionalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
        => result.Scene?.Map is { } map
            ? Encode(map, result.Frame, result.Epoch, Stage.Provisional, options, budget, emit)
            : 0;

    /// <summary>Emits a map for each processed frame of the window: it supersedes the provisional one.</summary>
    /// <inheritdoc cref="Encode(ProvisionalResult, PublishOptions, int, Action{ReadOnlyMemory{byte}})"/>
    public int Encode(FinalResult result, PublishOptions options, int budget, Action<ReadOnlyMemory<byte>> emit)
    {
        var lost = 0;
        for (var i = 0; i < (result.Scene?.Maps.Length ?? 0); i++)
            lost += Encode(result.Scene!.Maps[i], result.Frames[i], result.Epoch, Stage.Final, options, budget, emit);
        return lost;
    }

    private int Encode(SegmentMap map, FrameInfo frame, string epoch, Stage stage, PublishOptions options, int budget,
        Action<ReadOnlyMemory<byte>> emit)
    {
        var png = options.Map == MapOutput.Png ? _image.Encode(map) : null;
        Fill(map, frame, epoch, stage, png is not null);
        var room = budget - _message.CalculateSize() - PartFields;
        if (room < LeastRoom) return 1;
        Plan(map, png, room);
        _message.Parts = (uint)_slices.Count;
        foreach (var (entries, runs, bytes) in _slices)
        {
            _message.Part++;
            _message.Entries.Clear();
            for (var i = entries.Start.Value; i < entries.End.Value; i++) _message.Entries.Add(_entries[i]);
            _message.Runs.Clear();
            foreach (var value in map.Runs.AsSpan(runs)) _message.Runs.Add((uint)value);
            if (png is not null) _message.Png = UnsafeByteOperations.UnsafeWrap(png.AsMemory(bytes));
            _payload.ResetWrittenCount();
            _message.WriteTo(_payload);
            emit(_payload.WrittenMemory);
        }

        return 0;
    }

    private void Fill(SegmentMap map, FrameInfo frame, string epoch, Stage stage, bool png)
    {
        var m = _message;
        (m.Camera, m.Session, m.Epoch, m.Stage) = (frame.Camera, context.Session, epoch, stage);
        (m.FrameId, m.Pts) = ((ulong)frame.FrameId, frame.Pts);
        m.TimebaseNum = frame.Timebase.Numerator == 1 ? 0 : (uint)frame.Timebase.Numerator;
        m.TimebaseDen = (uint)frame.Timebase.Denominator;
        m.StampNs = (ulong)(frame.Capture.Stamp - DateTimeOffset.UnixEpoch).Ticks * 100;
        (m.FrameW, m.FrameH) = ((uint)frame.Width, (uint)frame.Height);
        (m.GridW, m.GridH) = ((uint)map.Width, (uint)map.Height);
        m.Encoding = png ? MapEncoding.Png : MapEncoding.Runs;
        (m.Part, m.Parts, m.Png) = (0, 0, ByteString.Empty);
        m.Entries.Clear();
        m.Runs.Clear();
        while (_entries.Count < map.Entries.Length) _entries.Add(new());
        for (var i = 0; i < map.Entries.Length; i++)
        {
            var (entry, (value, classId, track)) = (_entries[i], map.Entries[i]);
            (entry.Value, entry.ClassId, entry.TrackN) = ((uint)value, (uint)classId, (ulong)(track ?? 0));
            entry.SegmentId = (ulong)SegmentIds.Of(classId, track);
        }
    }

    /// <summary>Fills part after part: entries first, then whole runs, or the image.</summary>
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

            _slices.Add(new(firstEntry..entry, firstRun..run, firstByte..at));
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
