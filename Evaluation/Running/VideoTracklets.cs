using System.Numerics.Tensors;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>
/// Tracklets of one video as IDOL's evaluation keeps them: class scores are the mean over the detections, and short
/// tracklets are removed as the video goes on. Frames count from 0.
/// </summary>
/// <param name="width">K+1.</param>
public sealed class VideoTracklets(int width)
{
    private const int FirstRemoval = 9; // frame from which short tracklets are removed
    private const int Further = 3; // detections after the first that save a tracklet

    private readonly SortedDictionary<long, Entry> _entries = [];

    /// <summary>By id.</summary>
    public IReadOnlyCollection<Entry> Entries => _entries.Values;

    /// <summary>Adds a tracklet in a frame. One without an entry gets one by a detection only.</summary>
    /// <param name="probabilities">Shape [K+1].</param>
    public void Add(int frame, long id, int slot, bool detected, ReadOnlySpan<float> probabilities)
    {
        if (!_entries.TryGetValue(id, out var entry))
        {
            if (!detected) return;
            _entries[id] = entry = new Entry(slot, frame, new float[width]);
        }

        entry.LastFrame = frame;
        if (!detected) return;
        TensorPrimitives.Add(entry.Sum, probabilities, entry.Sum);
        (entry.Detections, entry.LastDetection) = (entry.Detections + 1, frame);
    }

    /// <summary>Removes what was too short, after all tracklets of a frame were added.</summary>
    public void EndFrame(int frame)
    {
        if (frame < FirstRemoval) return;
        foreach (var (id, entry) in _entries.ToArray())
            if (entry.Detections - 1 < Further && entry.LastDetection < frame - 1) _entries.Remove(id);
    }

    /// <summary>Tracklet with an entry in the results.</summary>
    /// <param name="Slot">Row of its masks in the frames from the first to the last.</param>
    /// <param name="FirstFrame">Frame of its first detection.</param>
    /// <param name="Sum">Class probabilities of its detections, added up; shape [K+1].</param>
    public sealed record Entry(int Slot, int FirstFrame, float[] Sum)
    {
        /// <summary>Last frame in which it was in the memory.</summary>
        public int LastFrame { get; internal set; }

        public int LastDetection { get; internal set; }

        public int Detections { get; internal set; }
    }
}
