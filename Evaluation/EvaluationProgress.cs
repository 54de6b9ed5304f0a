using System.Globalization;

namespace Dvis.Streaming.Evaluation;

/// <summary>How far an evaluation is: a bar on a terminal, else a line every ten seconds.</summary>
internal sealed class EvaluationProgress(TextWriter output, bool terminal, int videos, long frames, TimeProvider time)
{
    private const int Bar = 24;
    private readonly TimeSpan _interval = terminal ? TimeSpan.FromSeconds(0.2) : TimeSpan.FromSeconds(10);
    private readonly long _started = time.GetTimestamp();
    private long _shown = time.GetTimestamp();
    private int _width;

    /// <summary>Videos that are through.</summary>
    public int Videos { get; private set; }

    public long Frames { get; private set; }

    /// <summary>Since the start, the masks of finished videos included.</summary>
    public double MillisecondsPerFrame => Frames == 0 ? 0 : time.GetElapsedTime(_started).TotalMilliseconds / Frames;

    /// <summary>A frame was segmented.</summary>
    public void AddFrame()
    {
        Frames++;
        if (time.GetElapsedTime(_shown) >= _interval) Show();
    }

    public void AddVideo()
    {
        Videos++;
        if (terminal) Show();
    }

    /// <summary>Leaves the terminal's line free.</summary>
    public void End()
    {
        if (!terminal || _width == 0) return;
        output.Write("\r" + new string(' ', _width) + "\r");
        output.Flush();
    }

    private void Show()
    {
        _shown = time.GetTimestamp();
        var left = TimeSpan.FromMilliseconds((frames - Frames) * MillisecondsPerFrame);
        var text = string.Create(CultureInfo.InvariantCulture,
            $"{Videos}/{videos} videos, {Frames}/{frames} frames, {MillisecondsPerFrame:0.#} ms a frame, "
            + $"{Text(left)} left");
        if (!terminal)
        {
            output.WriteLine(text);
            return;
        }

        var done = frames == 0 ? 0 : (int)(Bar * Frames / frames);
        text = $"[{new string('#', done)}{new string('-', Bar - done)}] {text}";
        output.Write("\r" + text.PadRight(_width));
        output.Flush();
        _width = text.Length;
    }

    private static string Text(TimeSpan left) =>
        left.TotalMinutes < 1 ? string.Create(CultureInfo.InvariantCulture, $"{left.TotalSeconds:0} s")
        : left.TotalHours < 1 ? string.Create(CultureInfo.InvariantCulture, $"{left.TotalMinutes:0} min")
        : string.Create(CultureInfo.InvariantCulture, $"{left.TotalHours:0.0} h");
}
