using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Identity;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Sinks.JsonLines;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Configuration;

/// <summary>Checks beyond a single option: names, files that must exist, options that must fit each other.</summary>
/// <param name="files">The configuration file and those that it includes.</param>
internal sealed partial class ConfigChecks(StreamingOptions options, IReadOnlyDictionary<string, Mark> marks,
    IEnumerable<string> files, ConfigErrors errors)
{
    private static readonly string[] s_providers = ["tensorrt", "cuda", "cpu"];

    public void Run()
    {
        Model();
        Runtime();
        if (options.Cameras.Count == 0) Add("cameras", "found no camera, expected at least one");
        foreach (var (path, section) in OptionProperty.Sections(options))
        {
            Section(path, section);
            foreach (var option in OptionProperty.Of(section.GetType()).Where(o => o.MustExist))
                if (option.Get(section) is string { Length: > 0 } file && SmallFile.Fault(file) is { } fault)
                    Add(KeyPath.Join(path, option.Key), $"the file '{file}' {fault}");
        }

        foreach (var (name, camera) in options.Cameras) Camera(name, camera);
        Http();
        Written();
    }

    private void Model()
    {
        var refiner = options.Model.Refiner;
        if (refiner.Stride + refiner.Lookahead > refiner.Window)
            Add("model.refiner",
                $"found stride {refiner.Stride} + lookahead {refiner.Lookahead} = "
                + $"{refiner.Stride + refiner.Lookahead}, expected at most the window of {refiner.Window} frames");
        if (!File.Exists(Path.Combine(options.Model.Path, "manifest.json")))
        {
            Add("model.path", $"found '{options.Model.Path}', expected a folder with a manifest.json");
            return;
        }

        try
        {
            Model(ModelFolder.Open(options.Model.Path).Manifest);
        }
        catch (ModelException e)
        {
            Add("model.path", e.Message);
        }
    }

    private void Model(ModelManifest manifest)
    {
        var model = options.Model;
        if (!manifest.Precisions.Contains(manifest.Resolve(model.Precision)))
            Add("model.precision",
                $"found '{model.Precision}', expected what this model has: {string.Join(", ", manifest.Precisions)}");
        var online = manifest.Resolve(model.Mode) == ModelMode.Online;
        if (!online && !manifest.Revises)
            Add("model.mode", $"found '{EnumName.Of(model.Mode)}', expected online: this model has no refiner");
        if (!online && model.Refiner.Window > manifest.RefinerMaxWindow)
            Add("model.refiner.window",
                $"found {model.Refiner.Window}, expected at most {manifest.RefinerMaxWindow}: this model's refiner "
                + $"takes no more");
        Results(manifest, "defaults", options.Defaults.Results);
        foreach (var (name, camera) in options.Cameras)
        {
            Results(manifest, $"cameras.{name}", camera.Results);
            foreach (var (key, label) in ZoneChecks.Labels(camera)) CheckClass(manifest, $"cameras.{name}.{key}", label);
            if (manifest.Task == ModelTask.Vss && ZoneChecks.SectionOf(camera) is { } section)
                Add($"cameras.{name}.{section}",
                    $"found {section}, but a model of task vss has no tracks that enter or cross them");
        }
    }

    /// <summary>Options that cannot have an effect with this model; a value at its default does no harm.</summary>
    private void Results(ModelManifest manifest, string path, ResultOptions results)
    {
        var (task, publish) = (manifest.Task, results.Publish);
        foreach (var (i, label) in publish.Labels.Index()) CheckClass(manifest, $"{path}.publish.labels[{i}]", label);
        foreach (var name in results.Track.Classes.Keys) CheckClass(manifest, $"{path}.track.classes.{name}", name);
        if (task == ModelTask.Vis && publish.Map is MapOutput.Runs or MapOutput.Png)
            Unfit("publish.map", EnumName.Of(publish.Map), "has no map of the frame; expected auto or off");
        if (task == ModelTask.Vss && publish.Contours)
            Unfit("publish.contours", "true", "has no tracks to draw; expected false");
        if (task == ModelTask.Vss && publish.Snapshots == SnapshotOutput.On)
            Unfit("publish.snapshots", "on", "has no tracks; expected off");
        if (task == ModelTask.Vss && publish.Map == MapOutput.Png && manifest.ClassCount > byte.MaxValue)
            Unfit("publish.map", EnumName.Of(publish.Map),
                $"and {manifest.ClassCount} classes does not fit into a PNG of 8 bits; expected runs");
        if (task != ModelTask.Vps)
            Unused("panoptic", results.Panoptic, Harmless(results.Panoptic, manifest.Panoptic),
                "makes no panoptic segments: this option is for task vps");
        if (task == ModelTask.Vss)
            Unused("track", results.Track, NotOfTracks(results.Track), "has no tracks");

        static TrackOptions NotOfTracks(TrackOptions found) => new()
        {
            ResetAfterGap = found.ResetAfterGap,
            Classes = found.Classes,
        };

        static PanopticOptions Harmless(PanopticOptions found, PanopticRule own) => new()
        {
            ObjectScore = found.ObjectScore == own.ObjectScore ? own.ObjectScore : null,
            Overlap = found.Overlap == own.Overlap ? own.Overlap : null,
        };

        void Unused(string section, object found, object defaults, string why)
        {
            foreach (var option in OptionProperty.Of(found.GetType()))
                if (!Equals(option.Get(found), option.Get(defaults)))
                    Unfit($"{section}.{option.Key}", ScalarText.Format(option.Get(found)!), why);
        }

        void Unfit(string key, string found, string why)
        {
            // An inherited value is reported once, in the defaults.
            if (path == "defaults" || MarkOf($"{path}.{key}") != MarkOf($"defaults.{key}"))
                Add($"{path}.{key}", $"found '{found}', but a model of task {EnumName.Of(task)} {why}");
        }
    }

    private void CheckClass(ModelManifest manifest, string path, string name)
    {
        var labels = manifest.Classes.Select(c => c.Name).ToList();
        if (labels.Contains(name)) return;
        Add(path, $"found '{name}', expected a class of the model: "
            + $"{string.Join(", ", labels)}{KeyPath.DidYouMean(name, labels)}");
    }

    private void Runtime()
    {
        var listed = options.Runtime.Provider;
        foreach (var (i, name) in listed.Index().Where(p => !s_providers.Contains(p.Item)))
            Add($"runtime.provider[{i}]", $"found '{name}', expected {ScalarText.OneOf(name, s_providers)}");
        if (options.Runtime.Require is { } require && !listed.Contains(require))
            Add("runtime.require",
                $"found '{require}', expected one of runtime.provider: {string.Join(", ", listed)}"
                + KeyPath.DidYouMean(require, listed));
    }

    private void Camera(string name, CameraOptions camera)
    {
        var (path, source) = ($"cameras.{name}", camera.Source);
        if (!CameraName().IsMatch(name)) Add(path, $"found the name '{name}', {Names.Expected}");
        if (source.File is { } file && SmallFile.Fault(file) is { } broken)
            Add($"{path}.file", $"the file '{file}' {broken}");
        if (Directory.Exists(source.Device)) Add($"{path}.device", $"the device '{source.Device}' is a folder");
        foreach (var fault in ZoneChecks.Of(camera)) Add($"{path}.{fault.Path}", fault.Message);
        var opencv = source.Decode.Backend == DecodeBackend.Opencv;
        if (opencv && source.Url is not null)
            Add($"{path}.decode.backend",
                "found 'opencv', expected ffmpeg for a url: the FFmpeg inside OpenCV is built without network");
        if (OpenCv.Decoder is not null) return;
        const string without = "but this program was built without OpenCV (-p:OpenCv=false)";
        if (source.Device is { } node) Add($"{path}.device", $"found '{node}', {without}");
        if (opencv && source.File is not null) Add($"{path}.decode.backend", $"found 'opencv', {without}");
    }

    private void Http()
    {
        if (options.Http.Endpoint is not { } endpoint)
            Add("http.bind", $"found '{options.Http.Bind}', expected an address and port such as 127.0.0.1:8080");
        else if (!IPAddress.IsLoopback(endpoint.Address) && options.Http.Token is null
            && !errors.Has("http.token_file"))
            Add("http.bind",
                $"found '{options.Http.Bind}', which others can reach; expected a loopback address, or a token in a "
                + $"file that http.token_file names");
        if (options.Http.Token is { } token && !Token().IsMatch(token))
            Add(marks.ContainsKey("http.token_file") ? "http.token_file" : "http.token",
                "found a secret, expected 16 to 256 of the characters A-Z a-z 0-9 - . _ ~ + / =, for example from: "
                + "openssl rand -hex 24");
    }

    /// <summary>Checks what is written: results and waiting messages.</summary>
    private void Written()
    {
        const string lines = "sinks.json_lines.path", outbox = "mqtt.outbox.path";
        if (options.Sinks.JsonLines.Path is { Length: > 0 } file && file != "-")
        {
            var folder = Path.GetDirectoryName(file)!;
            if (Directory.Exists(file)) Add(lines, $"the file '{file}' is a folder");
            else if (FolderFault(folder) is { } fault) Add(lines, $"the folder '{folder}' {fault}");
            else if (files.Concat(ReadPaths()).Any(read => ConfigFiles.AreSame(read, file)))
                Add(lines, $"the file '{file}' is read by this configuration; expected another one for the results");
        }

        if (options.Mqtt.Outbox.Path is not { Length: > 0 } path) return;
        // Missing folders are made.
        for (var at = path; at is not null && !Directory.Exists(at); at = Path.GetDirectoryName(at))
            if (File.Exists(at)) Add(outbox, $"found '{path}', expected a folder: '{at}' is a file");
    }

    private IEnumerable<string> ReadPaths() =>
        from place in OptionProperty.Sections(options)
        from option in OptionProperty.Of(place.Section.GetType())
        where option.IsPath && place.Section is not JsonLinesOptions
        let path = option.Get(place.Section) as string
        where !string.IsNullOrEmpty(path)
        select path;

    private static string? FolderFault(string path) =>
        Directory.Exists(path) ? null : File.Exists(path) ? "is a file" : "does not exist";

    /// <summary>Checks that an option class makes of its own options.</summary>
    private void Section(string path, object section)
    {
        if (section is not IValidatableObject validatable) return;
        foreach (var result in validatable.Validate(new ValidationContext(section)))
        {
            var keys = result.MemberNames.Select(m => KeyPath.Join(path, KeyPath.Snake(m))).ToList();
            Add(keys.Find(marks.ContainsKey) ?? path, Redaction.Urls(result.ErrorMessage ?? "is not valid"));
        }
    }

    private void Add(string path, string message)
    {
        if (!errors.Has(path)) errors.Add(MarkOf(path), path, message);
    }

    /// <summary>Of the key, or of the nearest section above it that was written down.</summary>
    private Mark MarkOf(string path)
    {
        for (var p = path; ;)
        {
            if (marks.TryGetValue(p, out var mark)) return mark;
            var dot = p.LastIndexOfAny(['.', '[']);
            p = dot < 0 ? "" : p[..dot];
        }
    }

    // RFC 6750, 2.1, of a length that cannot be guessed.
    [GeneratedRegex(@"^[A-Za-z0-9._~+/=-]{16,256}\z")]
    private static partial Regex Token();

    [GeneratedRegex($"^{Names.Pattern}$")]
    private static partial Regex CameraName();
}
