using System.Reflection;
using System.Xml.Linq;
using Dvis.Streaming.Pipeline.Tests.Support;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Pipeline.Tests.Architecture;

/// <summary>
/// Rules of the source tree. The order of folders is the one way to read the solution: each refers only to those before
/// it. Folders of values and of what everything uses come first (in Pipeline up to <c>Results</c>), then the way of a
/// frame; what draws a project's parts together comes last, and so do its root and the root of a nested folder.
/// </summary>
public sealed class ArchitectureTests
{
    private static readonly string[] s_order =
    [
        "Pipeline/Common", // helpers of all projects
        "Pipeline/Memory",
        "Pipeline/Telemetry", // counts what stages hand it; refers to none of them
        "Pipeline/Flow",
        "Pipeline/Frames",
        "Pipeline/Results",
        "Pipeline/Inference",
        "Pipeline/Masks",
        "Pipeline/Segmentation",
        "Pipeline/Methods",
        "Pipeline/Methods/Dvis",
        "Pipeline/Methods/MinVis",
        "Pipeline/Methods/GenVis",
        "Pipeline/Methods/RefineVis",
        "Pipeline/Methods/Vita",
        "Pipeline/Delivery",
        "Pipeline/Identity",
        "Pipeline/Tasks",
        "Pipeline/Zones",
        "Pipeline/Stages",

        "Sources/Options",
        "Sources/Clocks",
        "Sources/Decoding/Nut",
        "Sources/Decoding",
        "Sources/Rtsp",
        "Sources/Synthetic",
        "Sources/Supervision",
        "Sources",
        "Sources.OpenCv",

        "Sinks/Payloads",
        "Sinks/JsonLines",
        "Sinks/Mqtt/Options",
        "Sinks/Mqtt/Messages",
        "Sinks/Mqtt/Transport",
        "Sinks/Mqtt/Telemetry",
        "Sinks/Mqtt/Outbox/Store",
        "Sinks/Mqtt/Outbox",
        "Sinks/Mqtt/Client",
        "Sinks/Mqtt/Commands",
        "Sinks/Mqtt",

        "Evaluation/Masks", // run lengths and files of masks
        "Evaluation/Models", // checks of model folders
        "Evaluation/Metrics",
        "Evaluation/Formats",
        "Evaluation/PostProcessing",
        "Evaluation/Running",
        "Evaluation/Sequences",
        "Evaluation",

        "Hosting/Configuration",
        "Hosting/State",
        "Hosting/Telemetry",
        "Hosting/Pictures",
        "Hosting/Cameras",
        "Hosting/Http",
        "Hosting/Page/Live",
        "Hosting/Page",
        "Hosting/Terminal",
        "Hosting/Service",
        "Hosting/Composition",
        "Hosting/Commands",
        "Hosting",
    ];

    private static readonly Dictionary<string, string[]> s_projects = new()
    {
        ["Pipeline"] = [],
        ["Sources"] = ["Pipeline"],
        ["Sources.OpenCv"] = ["Sources"],
        ["Sinks"] = ["Pipeline"],
        ["Evaluation"] = ["Pipeline", "Sources"],
        ["Hosting"] = ["Evaluation", "Pipeline", "Sinks", "Sources", "Sources.OpenCv"],
    };

    /// <summary>Ranges of event ids by project: thousands.</summary>
    private static readonly Dictionary<string, int> s_eventIds = new()
    {
        ["Sources"] = 1,
        ["Sources.OpenCv"] = 1,
        ["Pipeline"] = 2,
        ["Sinks"] = 3,
        ["Hosting"] = 4,
        ["Evaluation"] = 5,
    };

    [Fact]
    public void Folders_ReferOnlyToFoldersBeforeThem()
    {
        var files = s_projects.Keys.SelectMany(Files).ToList();

        Assert.Empty(FolderRules.Violations(files, s_order));
        Assert.Equal(s_order.Order(), files.Select(f => f.Path[..f.Path.LastIndexOf('/')]).Distinct().Order());
    }

    [Fact]
    public void Projects_ReferAsIntended()
        => Assert.All(s_projects, project => Assert.Equal(
            project.Value,
            XDocument.Load(Repo.Path($"{project.Key}/Dvis.Streaming.{project.Key}.csproj"))
                .Descendants("ProjectReference")
                .Select(r => r.Attribute("Include")!.Value.Split('/')[1])
                .Order()));

    [Fact]
    public void Types_OneName_IsOneType()
    {
        var types = s_projects.Keys.SelectMany(Types).Where(t => !t.IsNested && !t.Name.Contains('<'));

        Assert.Empty(types
            .Where(t => t.Namespace?.StartsWith("Dvis.", StringComparison.Ordinal) == true)
            .GroupBy(t => t.Name)
            .Where(same => same.Count() > 1)
            .Select(same => string.Join(" and ", same.Select(t => t.FullName))));
    }

    [Fact]
    public void LogEvents_OneId_IsOneEventOfItsProject()
    {
        const BindingFlags all = BindingFlags.DeclaredOnly | BindingFlags.Instance | BindingFlags.Static
            | BindingFlags.Public | BindingFlags.NonPublic;
        var events = s_projects.Keys
            .SelectMany(project => Types(project).SelectMany(type => type.GetMethods(all)).Select(m => (project, m)))
            .Select(m => (m.project, Id: m.m.GetCustomAttribute<LoggerMessageAttribute>()?.EventId, Method: m.m))
            .Where(e => e.Id is not null)
            .ToList();

        Assert.NotEmpty(events);
        Assert.All(events, e => Assert.Equal(s_eventIds[e.project], e.Id / 1000));
        Assert.Empty(events
            .GroupBy(e => e.Id)
            .Where(same => same.Count() > 1)
            .Select(same => $"{same.Key}: " + string.Join(
                " and ", same.Select(e => $"{e.Method.DeclaringType!.Name}.{e.Method.Name}"))));
    }

    private static IEnumerable<(string Path, string Text)> Files(string project)
        => Directory.EnumerateFiles(Repo.Path(project), "*.cs", SearchOption.AllDirectories)
            .Select(file => (Path.GetRelativePath(Repo.Root, file).Replace('\\', '/'), File.ReadAllText(file)));

    private static Type[] Types(string project)
        => Assembly.Load(project == "Hosting" ? "dvis" : $"Dvis.Streaming.{project}").GetTypes();
}
