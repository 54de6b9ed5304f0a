using System.Text.Json;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Documents below <c>/api/v1</c>.</summary>
internal sealed class PageAnswers(
    CurrentConfig config, RunState state, Health health, LiveView view, LogTail log, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();

    public StatusAnswer Status()
    {
        var options = config.Options;
        return new(
            options.Node.Id, BuildInfo.Version, LiveJson.Tenths(time.GetElapsedTime(_started).TotalSeconds),
            options.Http.Images, health.Ready().Healthy,
            state.Model is { } model ? ModelAnswer.Of(model) : null, Mqtt(),
            state.Reload is { } reload
                ? new(EnumName.Of(reload.Outcome), reload.At.UtcDateTime, reload.Detail)
                : null,
            view.ViewerCount, [.. Links(options)]);
    }

    public CamerasAnswer Cameras() => new([.. state.Cameras.Select(c => CameraView.Of(c, time))]);

    public TracksAnswer Tracks(string camera) => new(camera, view.Find(camera)?.History.Tracks ?? []);

    public EventsAnswer Events(string camera) => new(view.Find(camera)?.History.Events ?? []);

    public ConfigAnswer Config() => new(Path.GetFileName(config.Value.File), EffectiveConfig.Write(config.Value));

    // Once more, because a secret may have been added since.
    public LogAnswer Log() => new([.. log.Lines.Select(l => Redaction.Apply(l, config.Secrets))]);

    private MqttAnswer Mqtt()
    {
        var (status, options) = (state.Mqtt, config.Options.Mqtt);
        var (messages, bytes) = status.Outbox?.Invoke() ?? default;
        var server = status.Server ?? options.Servers.FirstOrDefault();
        return new(
            status.Connected, server is null ? null : Redaction.Urls(server),
            status.Fault is { } fault ? Redaction.Apply(fault, config.Secrets) : null, messages, bytes, options.Root);
    }

    private static IEnumerable<LinkAnswer> Links(StreamingOptions options)
    {
        if (options.Telemetry.Prometheus) yield return new("metrics", "/metrics");
        yield return new("health", "/health/ready");
        yield return new("openapi", PageEndpoints.OpenApi);
        foreach (var (path, _, _) in PageFiles.All)
            if (path.StartsWith("/schemas/", StringComparison.Ordinal)) yield return new(Path.GetFileName(path), path);
    }
}

/// <param name="UptimeS">Seconds since the start of the service.</param>
/// <param name="Images">False: pictures are switched off.</param>
/// <param name="Model">Null until it is loaded.</param>
/// <param name="Reload">Last attempt to take over a changed configuration; null before the first.</param>
internal sealed record StatusAnswer(
    string Node, string Version, double UptimeS, bool Images, bool Ready, ModelAnswer? Model, MqttAnswer Mqtt,
    ReloadAnswer? Reload, int Viewers, LinkAnswer[] Links);

/// <param name="Quality">A sentence, where the manifest has one in <c>quality.summary</c>.</param>
internal sealed record ModelAnswer(
    string Name, string Version, string Method, string Task, int Classes, string Precision, string Provider,
    string? Quality)
{
    public static ModelAnswer Of(RunningModel running)
    {
        var model = running.Manifest;
        return new(
            model.Name, model.Version, model.Method.Name, EnumName.Of(model.Task), model.ClassCount, running.Precision,
            running.Provider, Summary(model));
    }

    private static string? Summary(ModelManifest model) =>
        model.Quality.ValueKind == JsonValueKind.Object && model.Quality.TryGetProperty("summary", out var summary)
        && summary.ValueKind == JsonValueKind.String ? summary.GetString() : null;
}

/// <param name="Server">Of the last attempt; null without MQTT.</param>
internal sealed record MqttAnswer(
    bool Connected, string? Server, string? Fault, long OutboxMessages, long OutboxBytes, string Root);

internal sealed record ReloadAnswer(string Outcome, DateTime At, string Detail);

internal sealed record LinkAnswer(string Name, string Href);

internal sealed record CamerasAnswer(CameraView[] Cameras);

internal sealed record TracksAnswer(string Camera, TrackRecord[] Tracks);

internal sealed record EventsAnswer(EventRecord[] Events);

/// <param name="Yaml">Effective configuration, secrets masked.</param>
internal sealed record ConfigAnswer(string File, string Yaml);

internal sealed record LogAnswer(string[] Lines);
