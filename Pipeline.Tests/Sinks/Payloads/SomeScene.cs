using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

/// <summary>Plain valid messages of panoptic and semantic models.</summary>
internal static class SomeScene
{
    public static SinkContext Context(ModelTask task, PublishOptions? publish = null, int stuff = 2)
    {
        var context = SomeResult.Context(publish);
        return context with
        {
            Model = context.Model with
            {
                Task = task,
                Classes = [new(0, "person", "thing", "#ff0000"), new(1, "car", "thing", "#00ff00"),
                    .. Enumerable.Range(2, stuff).Select(c => new ClassLabel(c, $"stuff {c}", "stuff", "#102030"))],
            },
        };
    }

    /// <summary>As many things as asked for, and two kinds of stuff.</summary>
    public static ProvisionalResult Provisional(TimeProvider time, int things = 3, SegmentMap? map = null)
        => SomeResult.Provisional(time, 7, [.. Enumerable.Range(1, things).Select(n => SomeResult.Track(n))])
            with
        { Scene = new Scene([Region(2), Region(3)], map) };

    public static FinalResult Final(TimeProvider time, SegmentMap? map = null) =>
        SomeResult.Final(time, 3, 5, SomeResult.FinalTrack()) with
        {
            Scene = new SceneRevision([SomeResult.FinalTrack(2) with { ClassId = 2, ProvisionalClassId = null }], [3],
            map is null ? [] : [map, map, map]),
        };

    public static Region Region(int classId) =>
        new(classId, 0.93f, new(0, 20, 640, 40), 9000, 320, 40, true, SomeResult.Mask());

    /// <summary>Stripes of a column each, the values in turn.</summary>
    public static SegmentMap Map(int width, int height, int values) => new(
        width, height, [.. Enumerable.Range(1, values)
            .Select(v => v % 2 == 0 ? new SegmentMapEntry(v, 1, 1000 + v) : new SegmentMapEntry(v, 2 + v % 2, null))],
        [.. Enumerable.Range(0, width).SelectMany(x => (int[])[x % (values + 1), height])]);
}
