using Dvis.Streaming.Hosting.Configuration;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

/// <summary>Zones and lines of a camera in the configuration.</summary>
public sealed class ZoneConfigTests : IDisposable
{
    private const string Square = "polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]";

    private readonly ConfigFolder _folder = new();

    [Theory]
    [InlineData("zones: { door: { inertia: 2 } }",
        "2:30: cameras.a.zones.door.polygon: found 0 corners, expected 3 to 64")]
    [InlineData("zones: { door: { polygon: [[0, 0], [1, 1]] } }",
        "2:47: cameras.a.zones.door.polygon: found 2 corners, expected 3 to 64")]
    [InlineData("zones: { door: { polygon: [[0, 0], [1, 1], [1, 0], [0, 1]] } }",
        "2:47: cameras.a.zones.door.polygon: found edges that meet or cross, expected a polygon whose edges meet only "
            + "at its corners")]
    [InlineData("zones: { door: { polygon: [[0, 0], [1, -1], [1, 1]] } }",
        "2:60: cameras.a.zones.door.polygon[1][1]: found -1, expected 0 to 1 (shares of the frame), or pixels of at "
            + "least 0")]
    [InlineData("zones: { door: { polygon: [[0, 0], [1, 0, 1], [1, 1]] } }",
        "2:56: cameras.a.zones.door.polygon[1]: found 3 numbers, expected two: [x, y]")]
    [InlineData("zones: { door: { polygon: [[0, 0], 1, [1, 1]] } }",
        "2:56: cameras.a.zones.door.polygon[1]: found '1', expected a list such as [a, b]")]
    [InlineData("zones: { door: { polygon: [[0, left], [1, 0], [1, 1]] } }",
        "2:52: cameras.a.zones.door.polygon[0][1]: found 'left', expected a number")]
    [InlineData("zones: { door: { " + Square + ", labels: [sqare] } }",
        "2:90: cameras.a.zones.door.labels[0]: found 'sqare', expected a class of the model: circle, square; did you "
            + "mean 'square'?")]
    [InlineData("zones: { door: { " + Square + ", inertia: 0 } }",
        "2:90: cameras.a.zones.door.inertia: found 0, expected 1 to 100")]
    [InlineData("zones: { Front Door: { " + Square + " } }",
        "2:30: cameras.a.zones.Front Door: found the name 'Front Door', expected 1 to 64 of the characters a-z 0-9 _ "
            + "-")]
    [InlineData("lines: { gate: { points: [[0, 0], [1, 1], [0, 1]] } }",
        "2:46: cameras.a.lines.gate.points: found 3 points, expected 2")]
    [InlineData("lines: { gate: { points: [[0.5, 0], [0.5, 0]] } }",
        "2:46: cameras.a.lines.gate.points: found the same point twice, expected two that differ")]
    [InlineData("lines: { gate: { points: [[0, 0], [1, 1]], labels: [dog] } }",
        "2:73: cameras.a.lines.gate.labels[0]: found 'dog', expected a class of the model: circle, square")]
    [InlineData("lines: { gate: { points: [[0, 0], [1, 1]], polygon: [] } }",
        "2:64: cameras.a.lines.gate.polygon: found an unknown key, expected one of points, labels, inertia")]
    public void Load_WrongShape_NamesPlaceFoundAndExpected(string shapes, string expected) =>
        Assert.Equal([$"config.yaml:{expected}"], _folder.Errors($"cameras:\n  a: {{ file: a.mp4, {shapes} }}\n"));

    [Fact]
    public void Load_TooManyZones_IsAMistake()
    {
        var zones = string.Join(", ", Enumerable.Range(0, 33).Select(i => $"z{i}: {{ {Square} }}"));
        Assert.Equal(
            ["config.yaml:2:28: cameras.a.zones: found 33 zones, expected at most 32"],
            _folder.Errors($"cameras:\n  a: {{ file: a.mp4, zones: {{ {zones} }} }}\n"));
    }

    [Fact]
    public void Load_ZonesInTheDefaults_IsAMistake() => Assert.StartsWith(
        "config.yaml:2:13: defaults.zones: found an unknown key",
        Assert.Single(_folder.Errors($"{ConfigFolder.Cameras}defaults: {{ zones: {{ z: {{ {Square} }} }} }}")),
        StringComparison.Ordinal);

    [Fact]
    public void Load_Shapes_AreBoundAsWritten()
    {
        var camera = _folder.Load("""
            cameras:
              a:
                file: a.mp4
                zones:
                  door:
                    polygon:
                      - [0.1, 0.2]
                      - [0.4, 0.2]
                      - [0.4, 0.9]
                    labels: [circle]
                lines:
                  gate: { points: [[100, 500], [900.5, 500]], inertia: 7 }
            """).Options.Cameras["a"];
        Assert.Equal([[0.1, 0.2], [0.4, 0.2], [0.4, 0.9]], camera.Zones["door"].Polygon);
        Assert.Equal(["circle"], camera.Zones["door"].Labels);
        Assert.Equal(3, camera.Zones["door"].Inertia);
        Assert.Equal([[100, 500], [900.5, 500]], camera.Lines["gate"].Points);
        Assert.Equal(7, camera.Lines["gate"].Inertia);
    }

    [Fact]
    public void EffectiveConfig_Shapes_AreWrittenSoThatTheyLoadAgain()
    {
        var loaded = _folder.Load(
            "cameras: { a: { file: a.mp4, zones: { door: { polygon: [[0, 0.25], [1, 0], [1, 1]] } } } }");
        var again = _folder.Load(EffectiveConfig.Write(loaded));
        Assert.Equal([[0, 0.25], [1, 0], [1, 1]], again.Options.Cameras["a"].Zones["door"].Polygon);
        Assert.Empty(ConfigChange.Between(loaded.Options, again.Options).Changed);
    }

    public void Dispose() => _folder.Dispose();
}
