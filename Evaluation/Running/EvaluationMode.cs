using System.Globalization;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Methods;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>How a video is gone through.
/// <see cref="Clip"/> is set for <see cref="ModeKind.SemiOnline"/>, and, where given or from <see cref="For"/>, for
/// <see cref="ModeKind.GenVis"/>.</summary>
public sealed record EvaluationMode(ModeKind Kind, ClipLengths? Clip = null)
{
    /// <summary>What may be given to <see cref="Parse"/>.</summary>
    public const string Expected = "minvis, online, offline, semi-online, semi-online:window=20,stride=5,lookahead=5, "
        + "genvis, genvis:clip=3 or vita";

    /// <summary>
    /// Reads <c>online</c>, <c>semi-online:window=20</c>, …. Without settings the clip is <paramref name="clip"/>; a
    /// setting that is not given is the paper's: lookahead 0, and a stride that leaves no frame of the window
    /// undecided.
    /// </summary>
    /// <exception cref="FormatException">One sentence that says what was found and what was expected.</exception>
    public static EvaluationMode Parse(string text, ClipLengths clip)
    {
        var (name, settings) = text.Split(':', 2) is [var before, var after] ? (before, after) : (text, null);
        if (settings is not null && name is not ("semi-online" or "genvis"))
            throw new FormatException($"the mode '{text}' takes no settings; expected {Expected}");
        return name switch
        {
            "minvis" => new EvaluationMode(ModeKind.MinVis),
            "online" => new EvaluationMode(ModeKind.Online),
            "offline" => new EvaluationMode(ModeKind.Offline),
            "vita" => new EvaluationMode(ModeKind.Vita),
            "genvis" => new EvaluationMode(ModeKind.GenVis, settings is null ? null : ReadClip(text, settings)),
            "semi-online" => new EvaluationMode(ModeKind.SemiOnline, settings is null ? clip : Read(text, settings)),
            _ => throw new FormatException($"there is no mode '{text}'; expected {Expected}"),
        };
    }

    /// <summary>
    /// This mode of the model. A GenVIS model has one way only, from clip to clip, which is its <c>online</c>, too; its
    /// clips are the manifest's where the mode has no length.
    /// </summary>
    /// <exception cref="EvaluationException">The model's method has no such mode.</exception>
    public EvaluationMode For(ModelManifest manifest)
    {
        if (manifest.Method == MethodContract.RefineVis) return ForTracklets(manifest);
        var (ofClips, vita) = (manifest.Method == MethodContract.GenVis, manifest.Method.IsVita);
        var fits = Kind switch
        {
            ModeKind.GenVis => ofClips,
            ModeKind.Vita => vita,
            ModeKind.Online => true,
            ModeKind.Offline => !ofClips && !vita,
            _ => !ofClips,
        };
        if (!fits)
            throw Wrong($"the mode {this} is not one of {manifest.Name}, whose method is {manifest.Method.Name}");
        if (!ofClips) return this;
        var clip = Clip?.Window ?? manifest.Clip;
        return clip <= (manifest.MaxClip ?? int.MaxValue)
            ? new EvaluationMode(ModeKind.GenVis, new ClipLengths(clip, clip, 0))
            : throw Wrong($"the mode {this} has longer clips than {manifest.Name} takes, at most {manifest.MaxClip}");
    }

    /// <summary>
    /// Graph that follows the slots from frame to frame: a MinVIS model matches only, whatever the mode. Null: the mode
    /// has no slots from frame to frame.
    /// </summary>
    public string? SlotGraph(MethodContract method) => Kind switch
    {
        ModeKind.GenVis or ModeKind.Vita => null,
        ModeKind.MinVis => MethodContract.Matcher,
        _ => method.SlotGraph,
    };

    public override string ToString() => Kind switch
    {
        ModeKind.MinVis => "minvis",
        ModeKind.Online => "online",
        ModeKind.Offline => "offline",
        ModeKind.Vita => "vita",
        ModeKind.GenVis => Clip is null
            ? "genvis"
            : string.Create(CultureInfo.InvariantCulture, $"genvis:clip={Clip.Window}"),
        _ => string.Create(CultureInfo.InvariantCulture,
            $"semi-online:window={Clip!.Window},stride={Clip.Stride},lookahead={Clip.Lookahead}"),
    };

    /// <summary>This mode of RefineVIS, whose offline mode takes clips of the window that it has online.</summary>
    private EvaluationMode ForTracklets(ModelManifest manifest)
    {
        if (Kind is ModeKind.MinVis or ModeKind.GenVis or ModeKind.Vita)
            throw Wrong($"the mode {this} is not one of {manifest.Name}, whose method is {manifest.Method.Name}");
        if (Kind == ModeKind.Offline)
            return this with { Clip = new ClipLengths(manifest.TemporalWindow, manifest.TemporalWindow, 0) };
        return !(Clip?.Window > manifest.RefinerMaxWindow)
            ? this
            : throw Wrong(
                $"the mode {this} has longer clips than {manifest.Name} takes, at most {manifest.RefinerMaxWindow}");
    }

    private static EvaluationException Wrong(string problem) => new(problem) { IsUsage = true };

    private static ClipLengths ReadClip(string text, string settings)
        => settings.Split('=') is ["clip", var value]
            && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var clip) && clip > 0
            ? new ClipLengths(clip, clip, 0)
            : throw new FormatException($"'{settings}' in the mode '{text}' is not understood; expected {Expected}");

    private static ClipLengths Read(string text, string settings)
    {
        var numbers = new Dictionary<string, int>();
        foreach (var setting in settings.Split(','))
        {
            if (setting.Split('=') is not [("window" or "stride" or "lookahead") and var key, var value]
                || !int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                || !numbers.TryAdd(key, number))
                throw new FormatException($"'{setting}' in the mode '{text}' is not understood; expected {Expected}");
        }

        if (!numbers.TryGetValue("window", out var window) || window < 1)
            throw new FormatException($"the mode '{text}' needs a window of 1 frame or more");
        var lookahead = numbers.GetValueOrDefault("lookahead");
        var stride = numbers.GetValueOrDefault("stride", Math.Max(1, window - lookahead));
        if (stride < 1) throw new FormatException($"the mode '{text}' needs a stride of 1 frame or more");
        return stride + lookahead <= window
            ? new ClipLengths(window, stride, lookahead)
            : throw new FormatException(
                $"in the mode '{text}' the window is too short: it must hold stride and lookahead, {stride} + "
                + $"{lookahead} frames");
    }
}

/// <summary>The ways of the papers.</summary>
public enum ModeKind
{
    /// <summary>Matching of queries only (MinVIS).</summary>
    MinVis,

    /// <summary>The referring tracker (DVIS, online).</summary>
    Online,

    /// <summary>The refiner over clips that follow the stream.</summary>
    SemiOnline,

    /// <summary>The refiner over the whole video at once (DVIS, offline).</summary>
    Offline,

    /// <summary>Video queries from clip to clip (GenVIS, online and semi-online).</summary>
    GenVis,

    /// <summary>Video queries of the whole video at once (VITA).</summary>
    Vita,
}
