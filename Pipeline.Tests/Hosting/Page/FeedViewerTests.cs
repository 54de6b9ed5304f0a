using System.Text;
using System.Text.RegularExpressions;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page;

/// <summary>The queue of one viewer of the live feed.</summary>
public sealed class FeedViewerTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public async Task Show_FasterThanItsRate_IsLeftOut_AndSoAreTheirFinals()
    {
        var sut = new FeedViewer(null, 5, revises: true, _time);
        foreach (var number in Enumerable.Range(0, 6))
        {
            var frame = Frame(number);
            sut.Show(frame);
            sut.Revise(frame, Json($"{number}"));
            _time.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.Equal(
            ["frame 0", "final 0", "frame 2", "final 2", "frame 4", "final 4"],
            await EventsAsync(sut));
    }

    [Fact]
    public async Task Show_QueueFull_DropsTheOldestFrames_WithTheirFinals_AndTellsHowMany()
    {
        var sut = new FeedViewer(null, 10, revises: true, _time);
        ShownFrame[] frames = [.. Enumerable.Range(0, 70).Select(i => Frame(i))];
        foreach (var frame in frames)
        {
            sut.Show(frame);
            if (frame.Number == 0) sut.Revise(frame, Json("0"));
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        sut.Revise(frames[1], Json("1")); // dropped before
        sut.Revise(frames[69], Json("69"));
        var text = await TextAsync(sut);
        Assert.Equal(
            [.. Enumerable.Range(7, 63).Select(i => $"frame {i}"), "final 69"], Events(text));
        Assert.StartsWith("event: frame\ndata: {\"n\":7,\"missed\":7}\n\n", text, StringComparison.Ordinal);
        Assert.Equal(62, Regex.Count(text, "\"missed\":0"));
    }

    [Fact]
    public async Task Tell_OfACameraWhoseStateWaits_ReplacesIt()
    {
        var sut = new FeedViewer(null, 5, revises: false, _time);
        sut.Tell("a", Json("1"));
        sut.Tell("b", Json("2"));
        sut.Report("a", Json("3"));
        sut.Tell("a", Json("4"));
        Assert.Equal(["camera 2", "event 3", "camera 4"], await EventsAsync(sut));
    }

    [Fact]
    public async Task Report_MoreThanTheQueueHolds_DropsTheOldest()
    {
        var sut = new FeedViewer(null, 5, revises: false, _time);
        foreach (var number in Enumerable.Range(0, 100)) sut.Report("a", Json($"{number}"));
        Assert.Equal(Enumerable.Range(36, 64).Select(i => $"event {i}"), await EventsAsync(sut));
    }

    private static ShownFrame Frame(long number) => new(
        new ProvisionalResult(Some.FrameInfo(8, 8, number), "E", [], -1, 0, new StageLatency()), 0, null, [], [],
        Json($"{number}"));

    private static byte[] Json(string number) => Encoding.UTF8.GetBytes($"{{\"n\":{number}}}");

    private static async Task<string> TextAsync(FeedViewer viewer) =>
        Encoding.UTF8.GetString(await viewer.NextAsync(CancellationToken.None));

    private static async Task<string[]> EventsAsync(FeedViewer viewer) => Events(await TextAsync(viewer));

    private static string[] Events(string text) =>
        [.. Regex.Matches(text, "event: ([a-z]+)\ndata: {\"n\":(\\d+)").Select(m => $"{m.Groups[1]} {m.Groups[2]}")];
}
