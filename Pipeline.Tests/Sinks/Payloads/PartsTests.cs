using System.Collections.Immutable;
using System.Text.Json;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;
using Dvis.Streaming.Sinks.Protos;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Payloads;

/// <summary>Whatever the result and the budget: every part fits, is valid,
/// and together they are the whole, each record once.</summary>
public sealed class PartsTests
{
    private static readonly TimeProvider Time = TimeProvider.System;
    private readonly Envelope _envelope = new(SomeResult.Context(), Time);

    [Fact]
    public void Encode_RandomProvisional_PartsFitAndAreTheWhole()
    {
        var random = new Random(1);
        using var encoder = new ProvisionalEncoder(_envelope);
        var sequence = new Sequence();
        var seq = 0L;
        for (var round = 0; round < 60; round++)
        {
            var budget = random.Next(1500, 9000);
            var tracks = Enumerable.Range(1, random.Next(0, 80))
                .Select(n => SomeResult.Track(n, n % 3, random.Next(3) == 0 ? Contour(random, 20) : null)).ToArray();
            var parts = new List<JsonElement>();
            var lost = encoder.Encode(SomeResult.Provisional(Time, round, tracks), sequence, Moment.Now(Time),
                new(budget, MaskRefs: true), payload =>
            {
                Assert.InRange(payload.Length, 1, budget);
                parts.Add(WireSchemas.Valid("tracks", payload));
            });
            Assert.Equal(0, lost);
            Assert.Equal(tracks.Select(t => $"{SomeResult.Epoch}-{t.Number}"), parts.SelectMany(p =>
                p.GetProperty("tracks").EnumerateArray()).Select(t => t.GetProperty("id").GetString()));
            AssertNumbered(parts, ref seq);
        }
    }

    [Fact]
    public void Encode_RandomFinal_PartsFitAndAreTheWhole()
    {
        var random = new Random(2);
        using var encoder = new FinalEncoder(_envelope);
        var sequence = new Sequence();
        var seq = 0L;
        for (var round = 0; round < 40; round++)
        {
            var budget = random.Next(2000, 9000);
            var result = SomeResult.Final(Time, 10, 10 + random.Next(1, 60)) with
            {
                Retracted = [.. Enumerable.Range(100, random.Next(0, 60)).Select(i => (long)i)],
                Identity =
                    [.. Enumerable.Range(200, random.Next(0, 20)).Select(i => new IdentityChange([i, i + 1], i, 12))],
            };
            var tracks = Enumerable.Range(1, random.Next(0, 12))
                .Select(n =>
                    SomeResult.FinalTrack(n, 10, result.LastFrame, random.Next(4) == 0 ? Contour(random, 12) : null))
                    .ToImmutableArray();
            var parts = new List<JsonElement>();
            var lost =
                encoder.Encode(result with { Tracks = tracks }, sequence, Moment.Now(Time), new(budget), payload =>
            {
                Assert.InRange(payload.Length, 1, budget);
                parts.Add(WireSchemas.Valid("final", payload));
            });
            Assert.Equal(0, lost);
            Assert.All(parts, p => Assert.Equal(
                [10, result.LastFrame, 10 * 3000, result.LastFrame * 3000],
                ((string[])["first_frame", "last_frame", "first_pts", "last_pts"])
                .Select(key => p.GetProperty("window").GetProperty(key).GetInt64())));
            Assert.Equal(
                tracks.SelectMany(t => t.Frames.Select(f => ($"{SomeResult.Epoch}-{t.Number}", f.FrameId))),
                parts.SelectMany(p => p.GetProperty("tracks").EnumerateArray())
                    .SelectMany(t => t.GetProperty("frames").EnumerateArray().Select(f =>
                        (t.GetProperty("id").GetString()!, f.GetProperty("f").GetInt64()))));
            Assert.Equal(result.Retracted.Select(n => $"{SomeResult.Epoch}-{n}"),
                parts.SelectMany(p => p.GetProperty("retracted").EnumerateArray()).Select(r => r.GetString()));
            Assert.Equal(result.Identity.Select(i => $"{SomeResult.Epoch}-{i.Into}"), parts.SelectMany(p =>
                p.GetProperty("identity").EnumerateArray()).Select(i => i.GetProperty("into").GetString()));
            AssertNumbered(parts, ref seq);
        }
    }

    [Fact]
    public void Encode_TrackThatFitsNowhere_LosesContourFirst()
    {
        using var encoder = new ProvisionalEncoder(_envelope);
        var parts = new List<JsonElement>();
        var huge = Contour(new(3), 2000);
        var lost = encoder.Encode(
            SomeResult.Provisional(Time, 1, SomeResult.Track(1), SomeResult.Track(2, contour: huge),
                SomeResult.Track(3)), new(), Moment.Now(Time), new(2048),
            payload => parts.Add(WireSchemas.Valid("tracks", payload)));
        Assert.Equal(0, lost);
        Assert.All(parts.SelectMany(p => p.GetProperty("tracks").EnumerateArray()), t =>
            Assert.False(t.TryGetProperty("contour", out _)));
        Assert.Equal(3, parts.Sum(p => p.GetProperty("tracks").GetArrayLength()));
    }

    [Fact]
    public void Encode_RecordThatFitsNowhere_IsLostAndTheRestArrives()
    {
        using var encoder = new FinalEncoder(_envelope);
        var parts = new List<JsonElement>();
        var result = SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack(1))
            with
        { Identity = [new([.. Enumerable.Range(1, 200).Select(i => (long)i)], 1, 3)] };
        var lost = encoder.Encode(result, new(), Moment.Now(Time), new(2048), payload =>
        {
            Assert.InRange(payload.Length, 1, 2048);
            parts.Add(WireSchemas.Valid("final", payload));
        });
        Assert.Equal(1, lost);
        Assert.Equal(1, parts.Sum(p => p.GetProperty("tracks").GetArrayLength()));
    }

    [Fact]
    public void Encode_RandomMasks_PartsFitAndDecodeToTheMasks()
    {
        var random = new Random(4);
        var encoder = new MaskFrameEncoder(SomeResult.Context());
        for (var round = 0; round < 20; round++)
        {
            var masks = Enumerable.Range(1, random.Next(0, 30)).ToDictionary(n => (long)n, _ => Blobs(random));
            var budget = random.Next(1500, 6000);
            var frames = new List<MaskFrame>();
            var lost = encoder.Encode(
                SomeResult.Provisional(Time, 5,
                    [.. masks.Select(m => SomeResult.Track(m.Key, mask: MaskCropTests.Encode(m.Value)))]), new(),
                    budget, payload =>
                {
                    Assert.InRange(payload.Length, 1, budget);
                    frames.Add(MaskFrame.Parser.ParseFrom(payload.Span));
                });
            Assert.Equal(0, lost);
            Assert.Equal(Enumerable.Range(1, frames.Count), frames.Select(f => (int)f.Part));
            Assert.All(frames, f =>
                Assert.Equal((frames.Count, 5u, Stage.Provisional, SomeResult.Epoch, 640u),
                    ((int)f.Parts, (uint)f.FrameId, f.Stage, f.Epoch, f.FrameW)));
            var seen = frames.SelectMany(f => f.Masks).ToDictionary(m => (long)m.TrackN);
            Assert.Equal(masks.Keys.Order(), seen.Keys.Order());
            foreach (var (number, cells) in masks)
            {
                var m = seen[number];
                Assert.Equal(cells, MaskCropTests.Decode(cells.GetLength(0), cells.GetLength(1),
                    new((int)m.X, (int)m.Y, (int)m.W, (int)m.H), m.Runs));
            }
        }
    }

    [Fact]
    public void Encode_FinalMasks_OneMessageForEveryFrameAlsoWithoutMasks()
    {
        var frames = new List<MaskFrame>();
        Assert.Equal(0, new MaskFrameEncoder(SomeResult.Context())
            .Encode(SomeResult.Final(Time, 3, 5, SomeResult.FinalTrack()), new(), 65536, p =>
                frames.Add(MaskFrame.Parser.ParseFrom(p.Span))));
        Assert.Equal([(3, 1), (4, 1), (5, 0)], frames.Select(f => ((int)f.FrameId, f.Masks.Count)));
        Assert.All(frames, f => Assert.Equal((160u, 90u, Stage.Final), (f.GridW, f.GridH, f.Stage)));
    }

    private static void AssertNumbered(List<JsonElement> parts, ref long seq)
    {
        for (var i = 0; i < parts.Count; i++)
        {
            Assert.Equal((i + 1, parts.Count),
                (parts[i].GetProperty("part").GetInt32(), parts[i].GetProperty("parts").GetInt32()));
            Assert.Equal(++seq, parts[i].GetProperty("seq").GetInt64());
        }
    }

    private static Contour Contour(Random random, int points) =>
        new([.. Enumerable.Range(0, points * 2).Select(_ => random.NextSingle() * 640)]);

    private static bool[,] Blobs(Random random)
    {
        var cells = new bool[40, 30];
        for (var i = 0; i < 60; i++) cells[random.Next(40), random.Next(30)] = true;
        return cells;
    }
}
