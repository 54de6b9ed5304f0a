using System.CommandLine;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary><c>dvis probe</c>: opens one source for one frame and says what it is.</summary>
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
            config.AddTo(new Command("probe", "Opens a source for one frame and tells codec, size and rate."));
        command.Arguments.Add(target);
        command.Options.Add(camera);
        command.Validators.Add(result =>
        {
            if (result.GetValue(target) is null == result.GetValue(camera) is null)
                result.AddError("probe needs a source, or --camera with a name of the configuration");
        });
        command.SetAction(async (parsed, cancel) =>
        {
            if (parsed.GetValue(target) is { } source)
                return await ProbeAsync(Redaction.Urls(source), Parse(source), cancel) ? ExitCode.Ok : ExitCode.Failed;
            var name = parsed.GetValue(camera)!;
            var cameras = config.Load(parsed).Options.Cameras;
            if (!cameras.TryGetValue(name, out var options))
                throw new UsageException(
                    $"the configuration has no camera '{name}'{KeyPath.DidYouMean(name, cameras.Keys)}");
            return await ProbeAsync(name, options.ToSource(), cancel) ? ExitCode.Ok : ExitCode.Failed;
        });
        return command;
    }

    /// <summary>Prints one line; false when there is no picture.</summary>
    public static async Task<bool> ProbeAsync(string shown, SourceOptions options, CancellationToken cancel)
    {
        var report = await SourceProbe.ProbeAsync(options, TimeProvider.System, cancel, OpenCv.Decoder);
        await Console.Out.WriteLineAsync(report.Fault == SourceFault.Ok
            ? FormattableString.Invariant(
                $"{shown}: {report.Codec ?? "unknown codec"}, {report.Width}x{report.Height}, ")
                + FormattableString.Invariant(
                    $"{(report.Fps is { } fps ? $"{fps:0.##} fps" : "no stated rate")}, timebase ")
                + FormattableString.Invariant(
                    $"{report.Timebase}, first frame after {report.FirstFrame.TotalSeconds:0.00} s")
            : $"{shown}: {KeyPath.Snake(report.Fault.ToString())}: {report.Detail}");
        return report.Fault == SourceFault.Ok;
    }

    private static SourceOptions Parse(string source)
    {
        var options = new SourceOptions();
        if (source.Contains("://", StringComparison.Ordinal)) options.Url = source;
        else if (source.StartsWith("/dev/", StringComparison.Ordinal)) options.Device = source;
        else options.File = Path.GetFullPath(source);
        var wrong = options.Validate(new System.ComponentModel.DataAnnotations.ValidationContext(options))
            .FirstOrDefault();
        if (wrong is not null) throw new UsageException($"the source {wrong.ErrorMessage}");
        return options.File is null || File.Exists(options.File)
            ? options
            : throw new UsageException($"the file '{options.File}' does not exist");
    }
}
