using Dvis.Streaming.Evaluation.Sequences;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Sequences;

public sealed class RightClassesTests
{
    [Theory]
    [InlineData("person", CoarseClass.Person)]
    [InlineData("bicycle", CoarseClass.Vehicle)]
    [InlineData("motorcycle", CoarseClass.Vehicle)]
    [InlineData("car", CoarseClass.Vehicle)]
    [InlineData("bus", CoarseClass.Vehicle)]
    [InlineData("truck", CoarseClass.Vehicle)]
    [InlineData("vehicle", CoarseClass.Vehicle)]
    [InlineData("Large vehicle", CoarseClass.Vehicle)]
    [InlineData("animal", CoarseClass.Animal)]
    [InlineData("giraffe", CoarseClass.Animal)]
    [InlineData("carrot", null)]
    [InlineData("circle", null)]
    [InlineData("teddy bear", null)]
    public void CoarseClass_OfAModelsClass_IsItsGroup(string name, CoarseClass? expected)
    {
        Assert.Equal(expected, CoarseClasses.Of(name));
    }

    [Fact]
    public void Shipped_KnowsTheFiveSequences()
    {
        var classes = RightClasses.Shipped();

        Assert.Equal([CoarseClass.Person, CoarseClass.Vehicle], classes.Of("bmx-trees"));
        Assert.Equal([CoarseClass.Person], classes.Of("breakdance"));
        Assert.Equal([CoarseClass.Vehicle], classes.Of("car-shadow"));
        Assert.Equal([CoarseClass.Animal], classes.Of("dog"));
        Assert.Equal([CoarseClass.Person, CoarseClass.Vehicle], classes.Of("scooter-black"));
        Assert.Null(classes.Of("cows"));
    }

    [Fact]
    public void Parse_BadLines_NamesEachWithItsLine()
    {
        using var lines = new StringReader(
            "cows animal\n\ncows vehicle\nboat\n  train  vehicle \ndog dog\na b c\nhike person,\n");

        var classes = RightClasses.Parse("my.txt", lines, out var errors);

        Assert.Equal(
            [
                "my.txt:3: found the sequence 'cows' a second time, expected one line per sequence",
                "my.txt:4: found 'boat', expected a sequence and its classes, as in 'bmx-trees person,vehicle'",
                "my.txt:6: found the class 'dog', expected person, vehicle or animal",
                "my.txt:7: found 'a b c', expected a sequence and its classes, as in 'bmx-trees person,vehicle'",
                "my.txt:8: found the class '', expected person, vehicle or animal",
            ],
            errors);
        Assert.Equal([CoarseClass.Animal], classes.Of("cows"));
        Assert.Equal([CoarseClass.Vehicle], classes.Of("train"));
    }
}
