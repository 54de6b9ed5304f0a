using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

/// <summary>A video of a few frames of 12 x 10 pixels with two categories, in memory and as a file.</summary>
internal static class SomeVideo
{
    public const int Width = 12, Height = 10;

    public static VideoInfo Info(long id = 1, int length = 2) => new(id, Width, Height, length, []);

    public static Category[] Categories => [new(1, "one"), new(2, "two")];

    /// <summary>Columns [from,to) of the picture.</summary>
    public static RunLengthMask Columns(int from, int to) =>
        RunLengths.FromCounts(Width, Height, [from * Height, (to - from) * Height, (Width - to) * Height]);

    public static TruthInstance Truth(long id, int category, params RunLengthMask?[] masks) =>
        new(id, category, false, masks);

    public static PredictedInstance Prediction(int category, double score, params RunLengthMask?[] masks) =>
        new(category, score, masks);

    public const string TruthJson = """
        {"info": {"year": 2026}, "videos": [{"id": 1, "width": 12, "height": 10, "length": 2,
          "file_names": ["a/0.jpg", "a/1.jpg"]}],
         "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
         "annotations": [{"id": 5, "video_id": 1, "category_id": 1, "iscrowd": 0, "areas": [50, null],
          "segmentations": [{"size": [10, 12], "counts": [0, 50, 70]}, null]}]}
        """;

    public const string ResultsJson = """
        [{"video_id": 1, "category_id": 1, "score": 0.5,
          "segmentations": [{"size": [10, 12], "counts": "0b1V2"}, null]}]
        """;
}
