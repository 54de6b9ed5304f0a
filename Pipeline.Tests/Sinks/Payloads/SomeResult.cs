using System.Collections.Immutable;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

/// <summary>Plain valid messages.</summary>
internal static class SomeResult
{
    public const string Session = "01JSESS0N00000000000000000", Epoch = "01JEP0CH000000000000000000";

    public static readonly StageLatency Latency = new(2.1, 86.4, 5.8);

    public static SinkContext Context(PublishOptions? publish = null, params string[] cameras) => new(
        "gate-3", Session, "0.1.0", "c0ffee", 3000,
        new("tiny", "1.2.0", ModelTask.Vis, "tiny-3/1",
            [new(0, "person", "thing", "#ff0000"), new(1, "car", "thing", "#00ff00"),
                new(2, "traffic light", "thing", "#0000ff")],
            [new("segmenter.onnx", new string('a', 64))]),
        [.. (cameras.Length == 0 ? ["front"] : cameras).Select(c => new SinkCamera(c, publish ?? new()))]);

    public static FrameInfo Frame(TimeProvider time, long id = 7, string camera = "front") => new(
        camera, id, 0, id * 3000, new(1, 90000), time.GetTimestamp(), time.GetUtcNow(),
        new(time.GetUtcNow() - TimeSpan.FromMilliseconds(40), ClockSource.RtcpSr, -3.1, 4, true), 640, 360);

    public static RunLengthMask Mask() => new(160, 90, [90 * 10 + 5, 20, 70, 20, 90 * 160 - 1015]);

    public static TrackObservation Track(long number = 42, int classId = 1, Contour? contour = null,
        RunLengthMask? mask = null, TrackState state = TrackState.Active) => new(
        number, classId, 0.912345f, state, 132, new(120.04f, 43.1f, 52.06f, 30), 983.25, 146.24f, 58.39f, false, mask
        ?? Mask(), contour);

    public static ProvisionalResult Provisional(TimeProvider time, long id = 7, params TrackObservation[] tracks)
        => new(Frame(time, id), Epoch, [.. tracks], Math.Max(-1, id - 6), 2, Latency);

    public static FinalResult Final(TimeProvider time, long first = 3, long last = 5, params FinalTrack[] tracks) =>
        new(
        "front", Epoch, first, last,
        [.. Enumerable.Range((int)first, (int)(last - first + 1)).Select(i => Frame(time, i))],
        FinalKind.Refined, FinalReason.None, [.. tracks], [51], [new([47], 42, last)], Latency with { Refine = 11.5 });

    public static FinalTrack FinalTrack(long number = 42, long first = 3, long last = 5, Contour? contour = null) =>
        new(
        number, 1, 0.94f, 0, [.. Enumerable.Range((int)first, (int)(last - first + 1)).Select(f => new FinalObservation(
            f, 0.95f, f != last, new(120, 43, 52, 30), 983, f != last ? Mask() : null, contour))]);

    public static LifecycleEvent Event(TimeProvider time, EventKind kind = EventKind.TrackStarted, long sequence = 1,
        bool summary = false) => new(
        "front", Epoch, sequence, kind, time.GetUtcNow(), 42, 1, 0.9f, Frame(time), "confirmed",
        summary ? new(time.GetUtcNow(), time.GetUtcNow(), 1.5, 0.97f,
            [.. ImmutableArray.Create(new KeyValuePair<int, int>(1, 30), new(0, 2))], 9, 32) : null);

    public static CameraStatus Status(TimeProvider time, CameraState state = CameraState.Online) => new(
        "front", state, time.GetUtcNow(), state == CameraState.Offline
        ? SourceFault.Timeout
        : SourceFault.Ok, null, 0, null, 29.97, 9.8, Frame(time), "h264", Epoch);
}
