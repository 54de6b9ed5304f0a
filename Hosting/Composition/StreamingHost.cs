using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Http;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dvis.Streaming.Hosting.Composition;

/// <summary>Composes the process.</summary>
internal static class StreamingHost
{
    /// <param name="console">Where to tell what happens; null: nowhere.</param>
    /// <param name="adjust">Tests put fakes in place of parts.</param>
    public static WebApplication Build(LoadedConfig config, TextWriter? console, Action<IServiceCollection>? adjust = null)
    {
        var options = config.Options;
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = Path.GetDirectoryName(config.File) });
        // Our configuration is config.yaml and nothing beside it.
        builder.Configuration.Sources.Clear();
        AddLogging(builder.Logging, options.Logging);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            if (!HttpBinding.TryParse(options.Http.Bind, out var endpoint)) throw new ArgumentException("The configuration was not checked.", nameof(config));
            kestrel.Listen(endpoint, listen => listen.Protocols = HttpProtocols.Http1);
            HttpGuard.Limit(kestrel);
        });

        builder.Services.AddSingleton(config).AddSingleton(options).AddSingleton<CurrentConfig>().AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(s =>
            new PipelineMetrics(s.GetRequiredService<TimeProvider>()) { LabelsMax = options.Telemetry.LabelsMax });
        builder.Services.AddSingleton<MqttStatus>();
        MetricsPage.Add(builder.Services);
        builder.Services.AddSingleton<FramePool>().AddSingleton<Heartbeats>().AddSingleton<RunState>().AddSingleton<RunStatistics>();
        builder.Services.AddSingleton<ProcessMetrics>();
        builder.Services.AddSingleton<IEngine, StreamingEngine>().AddSingleton<CameraFleet>().AddSingleton<CommandDesk>();
        builder.Services.AddSingleton<Health>().AddHostedService(s => s.GetRequiredService<Health>());
        builder.Services.AddHostedService<PipelineService>();
        builder.Services.AddSingleton<ReloadMetrics>().AddSingleton<ConfigReloader>().AddHostedService(s => s.GetRequiredService<ConfigReloader>());
        builder.Services.AddSingleton(s => ServiceManager.FromEnvironment(s.GetRequiredService<TimeProvider>())).AddHostedService<ServiceManagerLoop>();
        if (console is not null) builder.Services.AddHostedService(s => new RunConsole(s.GetRequiredService<RunStatistics>(), s.GetRequiredService<TimeProvider>(), console));
        builder.Services.Configure<HostOptions>(host =>
        {
            host.ShutdownTimeout = TimeSpan.FromSeconds(5);
            // What runs in the background besides the pipelines only tells; its failure is logged.
            host.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.Ignore;
        });
        adjust?.Invoke(builder.Services);

        var app = builder.Build();
        Measure(app.Services);
        var current = app.Services.GetRequiredService<CurrentConfig>();
        HttpGuard.Use(app, current, app.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(HttpGuard)));
        var health = app.Services.GetRequiredService<Health>();
        Endpoints.Map(app, current, health, app.Services.GetRequiredService<MetricsPage>());
        return app;
    }

    /// <summary>Where the web server listens; known after the start, which picks the port when 0 was asked for.</summary>
    public static string Address(WebApplication app) => app.Urls.First();

    private static void AddLogging(ILoggingBuilder logging, LoggingOptions options)
    {
        logging.ClearProviders();
        logging.AddConsole(console =>
        {
            console.FormatterName = LogFormatter.FormatterName;
            // Standard output belongs to the results and the run's own lines.
            console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ConsoleFormatter, LogFormatter>());
        logging.SetMinimumLevel(options.Level == "info" ? LogLevel.Information : Enum.Parse<LogLevel>(options.Level, ignoreCase: true));
        // Every request and every step of the host is not what an operator asked for.
        logging.AddFilter("Microsoft", LogLevel.Warning);
    }

    /// <summary>Listens before anything is measured.</summary>
    private static void Measure(IServiceProvider services)
    {
        services.GetRequiredService<MetricsPage>();
        services.GetRequiredService<ProcessMetrics>();
        EngineMetrics.RegisterBuild(services.GetRequiredService<PipelineMetrics>());
    }
}
