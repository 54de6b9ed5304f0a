using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Evaluation.Running;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation;

public sealed class ClassMapTests
{
    [Fact]
    public void Create_NamesInBoth_MapsByNameAndLeavesTheOthersOut()
        => Assert.Equal([7, null, 3], Map(Classes("cat:thing", "dog:thing", "sky:stuff"), new Category(3, "sky", false),
            new Category(5, "car"), new Category(7, "cat")));

    [Fact]
    public void Create_NoNameInBoth_MapsInTheOrderOfOfficialTraining()
        => Assert.Equal([2, 9, 4, 8], Map(Classes("a:thing", "b:thing", "c:stuff", "d:stuff"),
            new Category(9, "t9"), new Category(8, "s8", false), new Category(2, "t2"), new Category(4, "s4", false)));

    [Fact]
    public void Create_NoNameInBothAndOtherCounts_SaysSo()
        => Assert.Equal(
            "gt.json: the data set has 1 categories of things and 1 of stuff, the model 2 categories, and no name is "
            + "in both, such as x and a.",
            Assert.Throws<EvaluationException>(() =>
                Map(Classes("a:thing", "b:thing"), new Category(1, "x"), new Category(2, "y", false))).Message);

    private static int?[] Map(ClassLabel[] classes, params Category[] categories) =>
        ClassMap.Create(classes, categories, "gt.json");

    private static ClassLabel[] Classes(params string[] names) =>
        [.. names.Select((n, i) => new ClassLabel(i, n.Split(':')[0], n.Split(':')[1], "#000000"))];
}
