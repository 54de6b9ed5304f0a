using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Masks;
using Dvis.Streaming.Sinks.Payloads;
using Dvis.Streaming.Sinks.Protos;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

public sealed class SceneEncoderTests
{
    private static readonly TimeProvider Time = TimeProvider.System;

    [Theory]
    [InlineData(MapOutput.Runs, 1024)]
    [InlineData(MapOutput.Runs, 300)]
    [InlineData(MapOutput.Runs, 1 << 20)]
    [InlineData(MapOutput.Png, 1024)]
    [InlineData(MapOutput.Png, 300)]
    [InlineData(MapOutput.Png, 1 << 20)]
    public void Map_AnyBudget_ComesWholeInPartsThatFit(MapOutput encoding, int budget)
    {
        var map = SomeScene.Map(400, 30, 60);
        var encoder = new MapEncoder(SomeScene.Context(ModelTask.Vps));
        var parts = new List<MapFrame>();

        var lost = encoder.Encode(SomeScene.Provisional(Time, map: map), new() { Map = encoding }, budget, payload =>
        {
            Assert.InRange(payload.Length, 0, budget);
            parts.Add(MapFrame.Parser.ParseFrom(payload.Span));
        });

        Assert.Equal(0, lost);
        Assert.Equal(Enumerable.Range(1, parts.Count), parts.Select(p => (int)p.Part));
        Assert.All(parts, p =>
            Assert.Equal((parts.Count, "front", 7ul, 640u), ((int)p.Parts, p.Camera, p.FrameId, p.FrameW)));
        Assert.Equal(map.Entries.Select(e => ((uint)e.Value, (ulong)SegmentIds.Of(e.ClassId, e.Track))),
            parts.SelectMany(p => p.Entries).Select(e => (e.Value, e.SegmentId)));
        var expected = LabelMapReaderTests.Decode(map.Runs, 400, 30);
        if (encoding == MapOutput.Runs)
            Assert.Equal(expected,
                LabelMapReaderTests.Decode([.. parts.SelectMany(p => p.Runs).Select(r => (int)r)], 400, 30));
        else
        {
            var picture = PngReader.Decode([.. parts.SelectMany(p => p.Png.ToByteArray())]);
            Assert.Equal(expected, picture.Pixels.Select(p => (int)p));
            Assert.Equal([0x10, 0x20, 0x30], picture.Palette!.AsSpan(3, 3).ToArray());
        }

        Assert.Equal(budget == 1 << 20, parts.Count == 1);
    }

    [Fact]
    public void Map_MoreValuesThanAPngHolds_GoesAsRuns()
    {
        var parts = new List<MapFrame>();

        new MapEncoder(SomeScene.Context(ModelTask.Vps))
            .Encode(SomeScene.Provisional(Time, map: SomeScene.Map(600, 2, 300)), new() { Map = MapOutput.Png },
                1 << 20, p => parts.Add(MapFrame.Parser.ParseFrom(p.Span)));

        Assert.Equal((MapEncoding.Runs, 300), (parts[0].Encoding, parts[0].Entries.Count));
    }

    [Fact]
    public void Map_NoRoomForAnyPart_IsLostAndSaidSo()
        => Assert.Equal(1, new MapEncoder(SomeScene.Context(ModelTask.Vps))
            .Encode(SomeScene.Provisional(Time, map: SomeScene.Map(10, 10, 3)), new(), 100, _ =>
                Assert.Fail("nothing fits")));

    [Fact]
    public void Map_Final_HasOneForEveryFrame()
    {
        var frames = new List<(ulong, Stage)>();

        new MapEncoder(SomeScene.Context(ModelTask.Vps))
            .Encode(SomeScene.Final(Time, SomeScene.Map(10, 10, 3)), new(), 4096, p =>
                frames.Add((MapFrame.Parser.ParseFrom(p.Span).FrameId, MapFrame.Parser.ParseFrom(p.Span).Stage)));

        Assert.Equal([(3ul, Stage.Final), (4, Stage.Final), (5, Stage.Final)], frames);
    }

    [Fact]
    public void Masks_OfAScene_NameTheirSegments()
    {
        MaskFrame? frame = null;

        new MaskFrameEncoder(SomeScene.Context(ModelTask.Vps)).Encode(SomeScene.Provisional(Time, things: 1), new(),
            1 << 20, p => frame = MaskFrame.Parser.ParseFrom(p.Span));

        Assert.Equal([(1ul, 65537ul), (0, 3), (0, 4)], frame!.Masks.Select(m => (m.TrackN, m.SegmentId)));
    }

    [Theory]
    [InlineData(ModelTask.Vps, 1500)]
    [InlineData(ModelTask.Vps, 8192)]
    [InlineData(ModelTask.Vss, 8192)]
    public void Segments_AnyBudget_AreValidAndWhole(ModelTask task, int budget)
    {
        var envelope = new Envelope(SomeScene.Context(task), Time);
        using var provisional = new ProvisionalEncoder(envelope);
        using var final = new FinalEncoder(envelope);
        var (segments, finals) = (new List<System.Text.Json.JsonElement>(), new List<System.Text.Json.JsonElement>());
        var things = task == ModelTask.Vps ? 12 : 0;

        Assert.Equal(0, provisional.Encode(SomeScene.Provisional(Time, things), new(), Moment.Now(Time),
            new(budget, MaskRefs: true), p =>
        {
            Assert.InRange(p.Length, 0, budget);
            segments.AddRange(WireSchemas.Valid("segments", p).GetProperty("segments").EnumerateArray());
        }));
        Assert.Equal(0, final.Encode(SomeScene.Final(Time), new(), Moment.Now(Time), new(budget), p =>
            finals.Add(WireSchemas.Valid("segments_final", p))));

        Assert.Equal(Enumerable.Range(65537, things)
            .Concat([3, 4]), segments.Select(s => s.GetProperty("id").GetInt32()));
        Assert.Equal(task == ModelTask.Vps, segments[^1].TryGetProperty("score", out _));
        Assert.EndsWith("/7/4", segments[^1].GetProperty("mask_ref").GetString(), StringComparison.Ordinal);
        Assert.Equal([65536 + 42, 3], finals.SelectMany(f => f.GetProperty("segments").EnumerateArray())
            .Select(s => s.GetProperty("id").GetInt32()));
        Assert.Equal([65536 + 51, 4], finals.SelectMany(f => f.GetProperty("retracted").EnumerateArray())
            .Select(s => s.GetInt32()));
        Assert.Single(finals.SelectMany(f => f.GetProperty("identity").EnumerateArray()));
    }

    [Fact]
    public void Segments_WithMasks_CarryTheMap()
    {
        var envelope = new Envelope(SomeScene.Context(ModelTask.Vss), Time);
        using var provisional = new ProvisionalEncoder(envelope);
        using var final = new FinalEncoder(envelope);
        var map = SomeScene.Map(20, 10, 3);

        provisional.Encode(SomeScene.Provisional(Time, 0, map), new(), Moment.Now(Time), new(int.MaxValue, Masks: true),
            p =>
            Assert.Equal(map.Runs, WireSchemas.Valid("segments", p).GetProperty("map").GetProperty("runs")
                .EnumerateArray().Select(v => v.GetInt32())));
        final.Encode(SomeScene.Final(Time, map), new(), Moment.Now(Time), new(int.MaxValue, Masks: true), p =>
            Assert.Equal([3, 4, 5], WireSchemas.Valid("segments_final", p).GetProperty("maps").EnumerateArray()
                .Select(m => m.GetProperty("f").GetInt32())));
    }

    [Fact]
    public void Encode_SteadyState_AllocatesNothing()
    {
        var context = SomeScene.Context(ModelTask.Vps);
        var envelope = new Envelope(context, Time);
        using var segments = new ProvisionalEncoder(envelope);
        using var finals = new FinalEncoder(envelope);
        var maps = new MapEncoder(context);
        var (provisional, final) = (SomeScene.Provisional(Time, 40, SomeScene.Map(320, 180, 50)), SomeScene.Final(Time,
            SomeScene.Map(320, 180, 50)));
        var (options, sequence, publish) =
            (new EncodeOptions(8192, MaskRefs: true), new Sequence(), new PublishOptions());
        Action<ReadOnlyMemory<byte>> emit = static _ => { };

        for (var i = 0; i < 50; i++) Encode();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 20; i++) Encode();

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Encode()
        {
            segments.Encode(provisional, sequence, Moment.Now(Time), options, emit);
            finals.Encode(final, sequence, Moment.Now(Time), options, emit);
            maps.Encode(provisional, publish, 65536, emit);
            maps.Encode(final, publish, 65536, emit);
        }
    }
}
