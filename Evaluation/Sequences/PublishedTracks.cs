using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Evaluation.Sequences;

/// <summary>A sink that keeps what is published of one video, by frame. Read it when the fan-out has ended.</summary>
public sealed class PublishedTracks : IResultSink
{
    private readonly List<ProvisionalResult> _provisional = [];
    private readonly List<FinalResult> _final = [];

    public string Name => "evaluation";

    public bool Lossless => true;

    /// <summary>Final windows that repeat the provisional result because the refiner failed.</summary>
    public int FailedWindows => _final.Count(r => r.Reason == FinalReason.Error);

    /// <summary>Index = frame id; a frame without a result has no track.</summary>
    /// <param name="frames">Frames of the video; their ids count from 0.</param>
    public IReadOnlyList<PublishedTrack>[] Provisional(int frames)
    {
        var tracks = Empty(frames);
        foreach (var result in _provisional)
            foreach (var track in result.Tracks)
                Add(tracks, result.Frame.FrameId, new TrackId(result.Epoch, track.Number), track.ClassId, track.Mask);
        return tracks;
    }

    /// <inheritdoc cref="Provisional"/>
    public IReadOnlyList<PublishedTrack>[] Final(int frames)
    {
        var tracks = Empty(frames);
        foreach (var result in _final)
            foreach (var track in result.Tracks)
                foreach (var seen in track.Frames.Where(f => f.Visible))
                    Add(tracks, seen.FrameId, new TrackId(result.Epoch, track.Number), track.ClassId, seen.Mask);
        return tracks;
    }

    public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

    public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
    {
        if (message is ProvisionalResult provisional) _provisional.Add(provisional);
        if (message is FinalResult final) _final.Add(final);
        return ValueTask.CompletedTask;
    }

    public Task FlushAsync(CancellationToken cancel) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static List<PublishedTrack>[] Empty(int frames)
        => [.. Enumerable.Range(0, frames).Select(_ => new List<PublishedTrack>())];

    private static void Add(List<PublishedTrack>[] tracks, long frame, TrackId id, int classId, RunLengthMask? mask)
    {
        if (mask is not null) tracks[frame].Add(new PublishedTrack(id, classId, mask));
    }
}
