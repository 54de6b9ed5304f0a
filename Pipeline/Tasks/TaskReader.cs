using System.Collections.Immutable;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Methods;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Segmentation;
using Tensor = Dvis.Streaming.Pipeline.Memory.Tensor;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>Tracks and scene of one frame, provisional or final.</summary>
/// <param name="Tracks">By number; without a mask: out of sight.</param>
/// <param name="Scene">Null with task <c>vis</c>.</param>
internal readonly record struct FrameReading(ImmutableArray<TrackObservation> Tracks, Scene? Scene);

/// <summary>
/// Reader of a model's answers by the rules of its task, for new and for revised frames. Buffers are reused; one per
/// stage, not thread-safe.
/// </summary>
internal abstract class TaskReader(CameraSettings settings)
{
    /// <summary>Cells of the network's grid below which a mask is noise.</summary>
    protected const int SmallestMask = 3;

    private readonly List<TrackObservation> _tracks = [];
    private readonly float[] _probabilities = new float[settings.Manifest.Queries * (settings.Manifest.ClassCount + 1)];
    private readonly float[] _ranks = new float[settings.Manifest.Queries];

    protected CameraSettings Settings { get; } = settings;

    public DetectionThresholds Thresholds { get; } = new(settings.Track, settings.Manifest);

    protected int Queries { get; } = settings.Manifest.Queries;

    protected int Classes { get; } = settings.Manifest.ClassCount;

    protected MaskReader Masks { get; } = new(settings.Manifest.MaskChannels, settings.Publish.Contours);

    /// <summary>Queries whose masks are made; row k of <see cref="Masks"/> is Wanted[k].</summary>
    protected List<int> Wanted { get; } = [];

    /// <summary>Slots of a new frame that carry an object which can be tracked.</summary>
    protected List<Candidate> Candidates { get; } = [];

    /// <summary>Masks of a revised frame that were given to a track.</summary>
    protected List<MaskBits> Taken { get; } = [];

    /// <summary>Numbers of the tracks that a revised frame has.</summary>
    protected HashSet<long> Numbers { get; } = [];

    public static TaskReader For(CameraSettings settings) => settings.Manifest.Task switch
    {
        ModelTask.Vps => new PanopticReader(settings),
        ModelTask.Vss => new SemanticReader(settings),
        _ => new InstanceReader(settings),
    };

    /// <summary>Reads a new frame and continues the tracks with it.</summary>
    /// <param name="seconds">Epoch seconds.</param>
    public abstract FrameReading Read(
        SegmentedFrame frame, QueryFrame answer, in MaskGeometry geometry, TrackManager tracks, double seconds);

    /// <summary>Counts the class votes of frames that are read again next: a track has one class in all.</summary>
    /// <param name="probabilities">Class probabilities of the clip, shape [Q,K+1].</param>
    public void Vote(ReadOnlySpan<TrackedFrame> frames, ReadOnlySpan<float> probabilities)
    {
        foreach (var frame in frames)
        {
            for (var slot = 0; slot < Queries; slot++)
            {
                if (TrackOf(frame, slot) is not { } track || !IsTrack(probabilities, slot)) continue;
                var (classId, score) = Best(probabilities, slot);
                track.Revise(classId, score);
            }
        }
    }

    /// <summary>Reads a frame again, after <see cref="Vote"/>.</summary>
    /// <param name="probabilities">Class probabilities of the clip, shape [Q,K+1].</param>
    /// <param name="maskEmbeds">Shape [Q,Cm].</param>
    public abstract FrameReading Revise(
        TrackedFrame frame, ReadOnlySpan<float> probabilities, ReadOnlySpan<float> maskEmbeds);

    /// <summary>Begins a new epoch.</summary>
    public virtual void Reset()
    {
    }

    /// <summary>Softmax of each row, shape [Q,K+1].</summary>
    protected Span<float> Softmax(ReadOnlySpan<float> logits)
    {
        ClassProbabilities.Write(logits, tracker: [], Classes + 1, _probabilities);
        return _probabilities;
    }

    protected (int ClassId, float Score) Best(ReadOnlySpan<float> probabilities, int slot)
    {
        var classes = probabilities.Slice(slot * (Classes + 1), Classes);
        var best = TensorPrimitives.IndexOfMax(classes);
        return (best, classes[best]);
    }

    /// <summary>True for a mask that is not too small for its class.</summary>
    protected bool IsLargeEnough(int row, int classId)
        => Thresholds.MinArea(classId) is var least && (least == 0 || Masks.Encode(row)?.AreaPx >= least);

    protected void LoadMasks(ReadOnlySpan<float> maskEmbeds, Tensor maskFeatures, in MaskGeometry geometry)
        => Masks.Load(maskEmbeds, maskFeatures, CollectionsMarshal.AsSpan(Wanted), geometry);

    /// <summary>True when the clip shows an object in the slot that may be a track's.</summary>
    protected virtual bool IsTrack(ReadOnlySpan<float> probabilities, int slot) => false;

    /// <summary>Class of a track by the votes of revised frames.</summary>
    /// <param name="found">Its class in this clip: a track that was merged since has no votes yet.</param>
    protected static int ClassOf(TrackIdentity track, int found) => track.Revised?.ClassId ?? found;

    /// <summary>Confirmed track of a slot, or null.</summary>
    protected static TrackIdentity? TrackOf(TrackedFrame frame, int slot)
        => frame.Slots[slot].Identity?.Resolve() is { Confirmed: true } track ? track : null;

    /// <summary>
    /// Sorts rows: of several queries on one object the first gets it. Active tracks come first, then better scores.
    /// </summary>
    protected void SortByRank(List<int> rows, TrackedFrame frame, ReadOnlySpan<float> probabilities)
    {
        foreach (var row in rows)
        {
            var slot = Wanted[row];
            _ranks[row] = Best(probabilities, slot).Score + (frame.Slots[slot].State == TrackState.Active ? 1 : 0);
        }

        rows.Sort((a, b) => _ranks[b].CompareTo(_ranks[a]));
    }

    protected void Show(Track track, EncodedMask mask)
        => Show(track.Identity.Number, track.ClassId, track.Score, mask, track.State, track.Age);

    /// <param name="mask">Null: the track is out of sight.</param>
    protected void Show(
        long number, int classId, float score, EncodedMask? mask, TrackState state = TrackState.Active, int age = 0)
        => _tracks.Add(mask is null
            ? new(number, classId, score, state, age, default, 0, 0, 0, false, null, null)
            : new(
                number, classId, score, state, age, mask.Box, mask.AreaPx, mask.CentroidX, mask.CentroidY,
                mask.Truncated, mask.Mask, Masks.Trace(mask.Mask)));

    /// <summary>The tracks shown since the last call, with this scene.</summary>
    protected FrameReading Reading(Scene? scene)
    {
        _tracks.Sort((a, b) => a.Number.CompareTo(b.Number));
        var reading = new FrameReading([.. _tracks], scene);
        _tracks.Clear();
        return reading;
    }
}
