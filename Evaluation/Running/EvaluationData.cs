using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.PostProcessing;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>One video of a data set.</summary>
/// <param name="Name">For messages.</param>
/// <param name="Pictures">One a frame, in order.</param>
public sealed record VideoPictures(string Name, IReadOnlyList<string> Pictures);

/// <summary>A data set that a model can be run over: its videos, and what scores and writes the results.
/// One of three forms, by the model's task.</summary>
public abstract class EvaluationData : IDisposable
{
    private static readonly string[] s_formats = [".jpg", ".png", ".jpeg"];

    public abstract IReadOnlyList<VideoPictures> Videos { get; }

    /// <summary>False for test sets, which the evaluation servers score.</summary>
    public abstract bool CanScore { get; }

    /// <param name="truth">A YouTube-VIS or OVIS file for a model of instances, VIPSeg's file or folder for a panoptic
    /// one, a folder of maps (VSPW) for a semantic one.</param>
    /// <param name="images">Folder of the pictures.</param>
    /// <param name="firstLabel">What semantic maps call the first class.</param>
    /// <param name="classAgnostic">True: instances are scored as of one class, whatever the model's are.</param>
    /// <exception cref="EvaluationException">Not readable, not of the form the task needs,
    /// or its categories are not the model's.</exception>
    public static EvaluationData Open(ModelManifest manifest, string truth, string images, int firstLabel,
        bool classAgnostic = false) =>
        manifest.Task switch
        {
            ModelTask.Vps => new PanopticData(truth, images, manifest),
            ModelTask.Vss => new SemanticData(truth, images, manifest, firstLabel),
            _ => new InstanceData(truth, images, manifest, classAgnostic),
        };

    /// <summary>One a mode.</summary>
    /// <param name="folder">Where result files go; null: none are written.</param>
    /// <param name="scores">False: results are written and not scored.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public abstract ModeScorer CreateScorer(string? folder, bool scores);

    public abstract void Dispose();

    /// <summary>What is read of an opened truth; when that fails, the truth is closed.</summary>
    private protected static T ReadOrClose<T>(IDisposable truth, Func<T> read)
    {
        try
        {
            return read();
        }
        catch
        {
            truth.Dispose();
            throw;
        }
    }

    /// <summary>The picture of a frame whose map or name is given, of whatever format there is.</summary>
    private protected static string Picture(string folder, string name)
    {
        var stem = Path.Combine(folder, Path.GetFileNameWithoutExtension(name));
        return s_formats.Select(extension => stem + extension).FirstOrDefault(File.Exists) ?? stem + ".jpg";
    }
}

/// <summary>Takes the results of one mode, video by video: writes them and scores them.</summary>
public abstract class ModeScorer : IDisposable
{
    /// <param name="video">Index in <see cref="EvaluationData.Videos"/>; each once.</param>
    /// <exception cref="EvaluationException">The result does not fit to the truth, for example in size.</exception>
    public abstract void Add(int video, VideoResult result);

    /// <summary>Completes the result files.</summary>
    public abstract void Dispose();
}
