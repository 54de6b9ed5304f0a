using System.CommandLine;
using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>Command <c>dvis probe</c>: opens one source for one frame and prints its properties.</summary>
internal static class ProbeCommand
{
    public static Command Create()
    {
        var config = new ConfigArguments();
        var target = new Argument<string?>("source")
        {
            Description = "URL of a camera or stream, a device such as /dev/video0, or a video file.",
            Arity = ArgumentArity.ZeroOrOne
        };
        var camera =
            new Option<string?>("--camera") { Description = "A camera of the configuration, in place of a source." };
        var command =
            config.AddTo(new Command("probe", "Opens a source for one frame and prints codec, size and rate."));
        command.Arguments.Add(target);
        command.Options.Add(camera);
        command.Validators.Add(result =>
        {
            if (string.IsNullOrEmpty(result.GetValue(target)) == result.GetValue(camera) is null)
                result.AddError("probe needs a source, or --camera with a name of the configuration");
        });
        command.SetAction(async (parsed, cancel) =>
        {
            if (parsed.GetValue(target) is { } source)
                return await ProbeAsync(Redaction.Urls(source), Parse(source), cancel) ? ExitCode.Ok : ExitCode.Failed;
            var name = parsed.GetValue(camera)!;
            var cameras = config.Load(parsed).Options.Cameras;
            if (!cameras.TryGetValue(name, out var options))
                throw new CommandException(ExitCode.Usage,
                    $"the configuration has no camera '{name}'{KeyPath.DidYouMean(name, cameras.Keys)}");
            return await ProbeAsync(name, options.Source, cancel) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>Prints one line; false when there is no frame.</summary>
    public static async Task<bool> ProbeAsync(string shown, SourceOptions options, CancellationToken cancel)
    {
        var report = await SourceProbe.ProbeAsync(options, TimeProvider.System, cancel, OpenCv.Decoder);
        var rate = report.Fps is { } fps ? $"{fps:0.##} fps" : "no stated rate";
        await Console.Out.WriteLineAsync(report.Fault == SourceFault.Ok
            ? $"{shown}: {report.Codec ?? "unknown codec"}, {report.Width}x{report.Height}, {rate}, "
                + $"timebase {report.Timebase}, first frame after {report.FirstFrame.TotalSeconds:0.00} s"
            : $"{shown}: {EnumName.Of(report.Fault)}: {report.Detail}");
        return report.Fault == SourceFault.Ok;
    }

    private static SourceOptions Parse(string source)
    {
        var options = source.Contains("://", StringComparison.Ordinal) ? new SourceOptions { Url = source }
            : source.StartsWith("/dev/", StringComparison.Ordinal) ? new SourceOptions { Device = source }
            : new SourceOptions { File = Path.GetFullPath(source) };
        if (options.Validate(new ValidationContext(options)).FirstOrDefault() is { } wrong)
            throw new CommandException(ExitCode.Usage, $"the source {wrong.ErrorMessage}");
        return options.File is { } file && SmallFile.Fault(file) is { } fault
            ? throw new CommandException(ExitCode.Usage, $"the file '{file}' {fault}")
            : options;
    }
}
