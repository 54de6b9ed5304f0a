namespace Dvis.Streaming.Pipeline.Tests.Architecture;

/// <summary>The checker on small trees, mostly of <c>P/Low</c>, which must not refer to <c>P/High</c>.</summary>
public sealed class FolderRulesTests
{
    private const string High = """
        namespace P.High;
        public class Tower { public static int Height; }
        public class HighAttribute : System.Attribute;
        public static class Climbing { public static int Climb(this string rope) => 0; }
        """;

    [Theory]
    [InlineData("using P.High;\n\nclass Low { Tower? _tower; }", 3, "Tower")]
    [InlineData("class Low : P.High.Tower;", 1, "Tower")]
    [InlineData("using T = P.High.Tower;\nclass Low { int Height() => T.Height; }", 2, "T", "Height")]
    [InlineData("using static P.High.Tower;\nclass Low { int _height = Height; }", 2, "Height")]
    [InlineData("using P.High;\nclass Low { int Climb() => \"a\".Climb(); }", 2, "Climb")]
    [InlineData("using P.High;\n[High] class Low;", 2, "High")]
    [InlineData("using System.Collections.Generic;\nclass Low\n{\n    List<P.High.Tower> _towers = [];\n}", 4, "Tower")]
    [InlineData("namespace P { class Low { string _name = nameof(High.Tower); } }", 1, "Tower")]
    public void Violations_ReferenceToALaterFolder_NamesFileLineAndReference(
        string low, int line, params string[] names)
        => Assert.Equal(
            names.Order(StringComparer.Ordinal).Select(name => $"P/Low/Low.cs:{line}: P/Low refers to P/High ({name})"),
            Violations([("P/Low/Low.cs", low), ("P/High/Tower.cs", High)], "P/Low", "P/High"));

    [Theory]
    [InlineData("class Low { int Tower; int Climb() => Tower; }")]
    [InlineData("/// <summary>Below <see cref=\"P.High.Tower\"/>.</summary>\nclass Low;")]
    [InlineData("// P.High.Tower\nclass Low { string _text = \"P.High.Tower\"; }")]
    [InlineData("class Low { class Tower; Tower? _own; }")]
    public void Violations_SameNameOnly_AreNone(string low)
        => Assert.Empty(Violations([("P/Low/Low.cs", low), ("P/High/Tower.cs", High)], "P/Low", "P/High"));

    [Fact]
    public void Violations_ReferenceToAnEarlierFolder_IsNone()
        => Assert.Empty(Violations(
            [("P/Low/Low.cs", "class Low { P.High.Tower? _tower; }"), ("P/High/Tower.cs", High)], "P/High", "P/Low"));

    [Fact]
    public void Violations_Cycle_IsFoundInEitherOrder()
    {
        (string, string)[] files =
        [
            ("P/Mqtt/Sink.cs", "namespace P.Mqtt { class Sink { Client.Connection? _connection; } }"),
            ("P/Mqtt/Client/Connection.cs", "namespace P.Mqtt.Client { class Connection { Sink? _sink; } }"),
        ];

        Assert.Equal(
            ["P/Mqtt/Client/Connection.cs:1: P/Mqtt/Client refers to P/Mqtt (Sink)"],
            Violations(files, "P/Mqtt/Client", "P/Mqtt"));
        Assert.Equal(
            ["P/Mqtt/Sink.cs:1: P/Mqtt refers to P/Mqtt/Client (Connection)"],
            Violations(files, "P/Mqtt", "P/Mqtt/Client"));
    }

    [Fact]
    public void Violations_FolderThatIsNotListed_IsOne()
        => Assert.Equal(
            ["P/New/A.cs: the order does not list the folder P/New"],
            Violations([("P/New/A.cs", "class A;"), ("P/Low/B.cs", "class B;")], "P/Low"));

    [Fact]
    public void Violations_PartialTypeInTwoFolders_LiesInBoth()
        => Assert.Equal(
            ["P/Low/Low.cs:1: P/Low refers to P/High (Both)"],
            Violations(
                [
                    ("P/Low/Low.cs", "class Low { Both? _both; }"),
                    ("P/Low/Both.cs", "partial class Both;"),
                    ("P/High/Both.cs", "partial class Both;"),
                ],
                "P/Low", "P/High"));

    private static IReadOnlyList<string> Violations((string, string)[] files, params string[] order)
        => FolderRules.Violations(files, order);
}
