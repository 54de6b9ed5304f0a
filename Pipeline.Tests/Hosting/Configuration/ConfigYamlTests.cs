using System.Text.RegularExpressions;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Configuration;

/// <summary>The shipped <c>config.yaml</c> is the reference manual: it works, it is complete,
/// and it states the defaults.</summary>
public sealed class ConfigYamlTests : IDisposable
{
    private readonly ConfigFolder _folder = new();

    private static string Shipped => File.ReadAllText(Repo.Path("config.yaml"));

    [Fact]
    public void Shipped_Binds_AndEqualsTheDefaults()
    {
        _folder.Write("samples/street.mp4", "");
        var shipped = _folder.Load(Shipped);
        Assert.Equal("sample", Assert.Single(shipped.Options.Cameras).Key);

        var defaults = new StreamingOptions();
        defaults.Model.Path = Path.Combine(_folder.Root, defaults.Model.Path);
        var camera = new CameraOptions();
        camera.Source.File = Path.Combine(_folder.Root, "samples/street.mp4");
        (camera.Source.Realtime, camera.Source.Loop, camera.Results.Publish.Masks) = (true, true, MaskOutput.On);
        defaults.Cameras["sample"] = camera;
        Assert.Equal(EffectiveConfig.Write(new LoadedConfig(defaults, "", [])), EffectiveConfig.Write(shipped));
    }

    [Fact]
    public void Shipped_MentionsEveryOption()
    {
        var text = Shipped;
        var missing = Keys(typeof(StreamingOptions)).Distinct()
            .Where(k => !Regex.IsMatch(text, $@"\b{k}(:|$)", RegexOptions.Multiline));
        Assert.Empty(missing);
    }

    [Fact]
    public void Shipped_EveryOptionHasAComment()
    {
        Assert.DoesNotContain(Shipped.Split('\n'), l =>
            Regex.IsMatch(l, @"^\s*[a-z_]+: [^# n]") && !l.Contains(" # ", StringComparison.Ordinal));
    }

    [Fact]
    public void Shipped_CommentedCameras_WorkWhenUncommented()
    {
        _folder.Write("samples/street.mp4", "");
        _folder.Write("front_password", "p");
        var lines = Shipped.Split('\n')
            .Select(l => Regex.IsMatch(l, @"^# (front:|desk:|test:|  +[a-z0-9_]+:)") ? "  " + l[2..] : l);
        var cameras = _folder.Load(string.Join('\n', lines)).Options.Cameras;
        Assert.Equal(["sample", "front", "desk", "test"], cameras.Keys);
        Assert.Equivalent(new DeviceOptions(), cameras["desk"].Source.V4l2, strict: true);
        Assert.Equal("p", cameras["front"].Source.Password);
        Assert.Equivalent(new SyntheticOptions(), cameras["test"].Source.Synthetic, strict: true);
    }

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<string> Keys(Type section) => OptionProperty.Of(section).SelectMany(o =>
        OptionProperty.MapElement(o.Type) is { } element ? Keys(element).Prepend(o.Key)
        : OptionProperty.IsSection(o.Type) ? Keys(o.Type).Prepend(o.Key)
        : [o.Key]);
}
