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
        var message = new MapFrame
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
            GridW = (uint)map.Width,
            GridH = (uint)map.Height,
            Encoding = png is null ? MapEncoding.Runs : MapEncoding.Png,
        };
        var room = budget - message.CalculateSize() - PartFields;
        if (room < LeastRoom) return 1;
        var entries = map.Entries.Select(Entry).ToArray();
        var slices = Plan(entries, map.Runs, png, room);
        message.Parts = (uint)slices.Count;
        foreach (var slice in slices)
        {
            message.Part++;
            message.Entries.Clear();
            message.Entries.AddRange(entries[slice.Entries]);
            message.Runs.Clear();
            foreach (var value in map.Runs.AsSpan(slice.Runs)) message.Runs.Add((uint)value);
            if (png is not null) message.Png = UnsafeByteOperations.UnsafeWrap(png.AsMemory(slice.Png));
            _payload.ResetWrittenCount();
            message.WriteTo(_payload);
            emit(_payload.WrittenMemory);
        }

        return 0;
    }

    private static MapEntry Entry(SegmentMapEntry entry) => new()
    {
        Value = (uint)entry.Value,
        SegmentId = (ulong)SegmentIds.Of(entry.ClassId, entry.Track),
        ClassId = (uint)entry.ClassId,
        TrackN = (ulong)(entry.Track ?? 0),
    };

    /// <summary>Fills part after part: entries first, then whole runs, or the image.</summary>
    private static List<Slice> Plan(MapEntry[] entries, int[] runs, byte[]? png, int room)
    {
        var slices = new List<Slice>();
        var (entry, run, at, runsEnd) = (0, 0, 0, png is null ? runs.Length : 0);
        do
        {
            var (firstEntry, firstRun, firstByte, left) = (entry, run, at, room);
            for (; entry < entries.Length && SizeOf(entries[entry]) is var size && size <= left; entry++) left -= size;
            if (entry == entries.Length)
            {
                for (; run < runsEnd && SizeOf(runs, run) is var size && size <= left; run += 2) left -= size;
                if (png is not null) at += Math.Min(left, png.Length - at);
            }

            slices.Add(new(firstEntry..entry, firstRun..run, firstByte..at));
        }
        while (entry < entries.Length || run < runsEnd || at < (png?.Length ?? 0));

        return slices;
    }

    private static int SizeOf(MapEntry entry)
    {
        var size = entry.CalculateSize();
        return 1 + CodedOutputStream.ComputeLengthSize(size) + size;
    }

    private static int SizeOf(int[] runs, int at) =>
        CodedOutputStream.ComputeUInt32Size((uint)runs[at]) + CodedOutputStream.ComputeUInt32Size((uint)runs[at + 1]);
}
