using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Sinks.Mqtt.Options;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Hosting.Terminal;

/// <summary>First lines of a run: model, cameras, sinks and addresses.</summary>
internal static class RunBanner
{
    public static IEnumerable<string> Lines(LoadedConfig config, string address)
    {
        var options = config.Options;
        yield return $"dvis {BuildInfo.Version}, node {options.Node.Id}";
        if (options.Http.Page) yield return $"  page     {address}/";
        var model = ModelFolder.Open(options.Model.Path).Manifest;
        var task = model.Task;
        var special = task == ModelTask.Vis ? "" : $"{EnumName.Of(task)}, ";
        var precision = model.Resolve(options.Model.Precision);
        yield return $"  model    {options.Model.Path} ({special}{precision}, {Mode(options, model)})";
        foreach (var (name, camera) in options.Cameras) yield return $"  camera   {name}: {Source(camera.Source)}";
        foreach (var warning in Warnings(options, model)) yield return $"  warning  {warning}";
        if (options.Mqtt.Servers.Length > 0)
        {
            yield return $"  mqtt     {string.Join(", ", options.Mqtt.Servers)}";
            yield return $"  watch    {Watch(options, task)}";
        }

        if (options.Sinks.JsonLines.Path is { Length: > 0 } lines) yield return $"  lines    {lines}";
        if (options.Telemetry.Prometheus) yield return $"  metrics  {address}/metrics";
        yield return $"  health   {address}/health/ready";
    }

    private static string Mode(StreamingOptions options, ModelManifest model)
    {
        var (r, mode) = (options.Model.Refiner, model.Resolve(options.Model.Mode));
        if (mode == ModelMode.Online) return "online";
        return model.Clip > 1
            ? $"{EnumName.Of(mode)}, clips of {model.Clip} frames"
            : $"{EnumName.Of(mode)}, window {r.Window}, stride {r.Stride}, lookahead {r.Lookahead}";
    }

    /// <summary>Lines of the warnings; cameras with the same one share a line.</summary>
    private static IEnumerable<string> Warnings(StreamingOptions options, ModelManifest model) => options.Cameras
        .SelectMany(c => c.Value.WarningsWith(model).Select(w => (Camera: c.Key, w.Detail)))
        .GroupBy(w => w.Detail, (detail, of) => $"{string.Join(", ", of.Select(w => w.Camera))}: {detail}");

    private static string Source(SourceOptions source) => source switch
    {
        { Url: { } url } => Redaction.Urls(url),
        { Device: { } device } => device,
        { Synthetic: { } scene } => $"synthetic {scene.Width}x{scene.Height}, {scene.Fps} fps",
        _ => $"{source.File}{(source.Realtime ? ", in real time" : "")}{(source.Loop ? ", looped" : "")}",
    };

    /// <summary>Command that prints the results; the password is masked.</summary>
    private static string Watch(StreamingOptions options, ModelTask task)
    {
        var server = MqttServer.TryParse(options.Mqtt.Servers[0])!;
        var login = options.Mqtt.Username is { } user ? $" -u {user} -P {Redaction.Mask}" : "";
        var tls = !server.Tls ? "" : $" --cafile {options.Mqtt.Tls.Ca ?? "/etc/ssl/certs/ca-certificates.crt"}";
        if (server.Tls && !options.Mqtt.Tls.Verify) tls += " --insecure";
        var kind = task == ModelTask.Vis ? "tracks" : "segments";
        return $"mosquitto_sub -h {server.Host} -p {server.Port}{login}{tls} -v -t "
            + $"'{options.Mqtt.Root}/{options.Node.Id}/camera/+/{kind}/#'";
    }
}
