using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Sequences;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Sequences;

/// <summary>Folders of empty images, which are not decoded here, and real annotations.</summary>
public sealed class DavisFolderTests : IDisposable
{
    private readonly TempFolder _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void Read_MasksOfUnequalSides_KeepTheirPlace()
    {
        Write("a", "0", Gray("##...", "#....", "....#"));

        var mask = Assert.Single(Folder.Read("a").Masks);

        var map = Bitmap.Decode(mask);
        Assert.Equal((5, 3, 4), (map.Width, map.Height, map.Area));
        Assert.True(map[0, 0] && map[1, 0] && map[0, 1] && map[4, 2]);
    }

    [Fact]
    public void Read_IndexedObjects_AreOne_AndAnEmptyMaskIsEmpty()
    {
        Write("a", "0", new PngImage(3, 1, 1, [0, 1, 2], [0, 0, 0, 9, 9, 9, 7, 7, 7]));
        Write("a", "1", new PngImage(3, 1, 1, [0, 0, 0]));

        var masks = Folder.Read("a").Masks;

        Assert.Equal(2, masks[0].Area);
        Assert.True(masks[1].IsEmpty);
    }

    [Fact]
    public void Sequences_OfEitherFolder_AreListedInOrder()
    {
        Write("b", "0", Gray("#"));
        Directory.CreateDirectory(_temp.Path("JPEGImages/a"));
        Directory.CreateDirectory(_temp.Path("Annotations/c"));

        Assert.Equal(["a", "b", "c"], Folder.Sequences());
    }

    [Fact]
    public void Read_WithoutImages_SaysSo()
    {
        Write("a", "0", Gray("#"));
        File.Delete(_temp.Path("JPEGImages/a/0.jpg"));

        Assert.Equal($"a: {_temp.Path("JPEGImages/a")} has no *.jpg in it.", Failure("a"));
        Assert.Equal($"b: the folder {_temp.Path("JPEGImages/b")} does not exist.", Failure("b"));
    }

    [Fact]
    public void Read_WithoutAnnotations_SaysSo()
    {
        foreach (var frame in (string[])["0", "1", "2"]) Write("a", frame, Gray("#"));
        File.Delete(_temp.Path("Annotations/a/1.png"));
        Assert.Equal($"a: 1 of 3 frames lack an annotation in {_temp.Path("Annotations/a")}.", Failure("a"));

        Directory.Delete(_temp.Path("Annotations/a"), recursive: true);
        Assert.Equal($"a: the folder {_temp.Path("Annotations/a")} does not exist.", Failure("a"));
    }

    [Fact]
    public void Read_AnAnnotationTooMany_IsNamed()
    {
        foreach (var frame in (string[])["0", "1"]) Write("a", frame, Gray("#"));
        File.Delete(_temp.Path("JPEGImages/a/1.jpg"));

        Assert.Equal($"a: the annotation {_temp.Path("Annotations/a/1.png")} belongs to no frame.", Failure("a"));
    }

    [Fact]
    public void Read_AnotherSize_IsNamedWithBoth()
    {
        Write("a", "0", Gray("#."));
        Write("a", "1", Gray("#.", ".."));

        var file = _temp.Path("Annotations/a/1.png");
        Assert.Equal($"a: {file} has 2x2 pixels, the annotations before have 2x1.", Failure("a"));
    }

    [Fact]
    public void Read_NoMask_IsNamed()
    {
        var file = _temp.Path("Annotations/a/0.png");
        Write("a", "0", new PngImage(1, 1, 3, [1, 2, 3]));
        Assert.Equal($"a: {file}: found an image of 3 channels, expected one number per pixel.", Failure("a"));

        File.WriteAllText(file, "no image");
        Assert.Equal($"a: {file}: the picture cannot be read: it is not a PNG.", Failure("a"));
    }

    private DavisFolder Folder => new(_temp.Root);

    private string Failure(string sequence) => Assert.Throws<EvaluationException>(() => Folder.Read(sequence)).Message;

    private void Write(string sequence, string frame, PngImage annotation)
    {
        Directory.CreateDirectory(_temp.Path($"JPEGImages/{sequence}"));
        Directory.CreateDirectory(_temp.Path($"Annotations/{sequence}"));
        File.WriteAllBytes(_temp.Path($"JPEGImages/{sequence}/{frame}.jpg"), []);
        PngWriter.Write(_temp.Path($"Annotations/{sequence}/{frame}.png"), annotation);
    }

    private static PngImage Gray(params string[] rows)
        => new(rows[0].Length, rows.Length, 1, [.. string.Concat(rows).Select(c => c == '#' ? (byte)255 : (byte)0)]);
}
