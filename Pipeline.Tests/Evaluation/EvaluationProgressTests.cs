using Dvis.Streaming.Evaluation;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class EvaluationProgressTests : IDisposable
{
    private readonly ManualTime _time = new();
    private readonly StringWriter _output = new() { NewLine = "\n" };

    public void Dispose() => _output.Dispose();

    [Fact]
    public void AddFrame_NoTerminal_TellsEveryTenSecondsInALine()
    {
        var progress = new EvaluationProgress(_output, terminal: false, videos: 4, frames: 400, _time);
        for (var i = 0; i < 100; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(250));
            progress.AddFrame();
            if (i % 50 == 49) progress.AddVideo();
        }

        progress.End();
        Assert.Equal(
            "0/4 videos, 40/400 frames, 250 ms a frame, 2 min left\n1/4 videos, 80/400 frames, 250 ms a frame, 1 min "
            + "left\n", _output.ToString());
        Assert.Equal((2, 100, 250.0), (progress.Videos, progress.Frames, progress.MillisecondsPerFrame));
    }

    [Fact]
    public void AddFrame_Terminal_DrawsOverItselfAndLeavesNothing()
    {
        var progress = new EvaluationProgress(_output, terminal: true, videos: 1, frames: 4, _time);
        for (var i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            progress.AddFrame();
        }

        Assert.EndsWith("\r[##################------] 0/1 videos, 3/4 frames, 1000 ms a frame, 1 s left",
            _output.ToString());
        progress.End();
        Assert.DoesNotContain('\n', _output.ToString());
        Assert.EndsWith("\r" + new string(' ', 76) + "\r", _output.ToString());
    }
}
