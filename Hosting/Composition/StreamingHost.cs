using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.Http;
using Dvis.Streaming.Hosting.Page;
using Dvis.Streaming.Hosting.Page.Live;
using Dvis.Streaming.Hosting.Service;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Hosting.Telemetry;
using Dvis.Streaming.Hosting.Terminal;
using Dvis.Streaming.Pipeline.Flow;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Telemetry;
using Dvis.Streaming.Sinks.Mqtt.Telemetry;
using Dvis.Streaming.Sources;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Dvis.Streaming.Hosting.Composition;

/// <summary>Composition of the process.</summary>
internal static class StreamingHost
{
    /// <param name="console">Output of the progress; null: none.</param>
    /// <param name="adjust">Replaces parts in tests.</param>
    public static WebApplication Build(
        LoadedConfig config, TextWriter? console, Action<IServiceCollection>? adjust = null)
    {
        var options = config.Options;
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = Path.GetDirectoryName(config.File) });
        // The configuration is config.yaml only.
        builder.Configuration.Sources.Clear();
        AddLogging(builder.Logging, options.Logging);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(options.Http.Endpoint!, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                HttpGuard.Limit(listen);
            });
            HttpGuard.Limit(kestrel);
        });

        AddServices(builder.Services, config, console);
        builder.Services.Configure<HostOptions>(host =>
        {
            host.ShutdownTimeout = TimeSpan.FromSeconds(5);
            // The other background services only report; their failure is logged.
            host.BackgroundServiceExceptionBehavior = BackgroundServiceExceptionBehavior.Ignore;
        });
        adjust?.Invoke(builder.Services);

        var app = builder.Build();
        // These listen before anything is measured.
        app.Services.GetRequiredService<MetricsPage>();
        app.Services.GetRequiredService<HostMetrics>();
        var current = app.Services.GetRequiredService<CurrentConfig>();
        HttpGuard.Use(app, current, app.Services.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(HttpGuard)));
        var health = app.Services.GetRequiredService<Health>();
        var page = app.Services.GetService<PageEndpoints>();
        Endpoints.Map(
            app, current, health, app.Services.GetRequiredService<MetricsPage>(),
            withIndex: page is null || !PageFiles.HasPage);
        page?.Map(app);
        return app;
    }

    private static void AddLogging(ILoggingBuilder logging, LoggingOptions options)
    {
        logging.ClearProviders();
        logging.AddConsole(console =>
        {
            console.FormatterName = LogFormatter.FormatterName;
            // Standard output is for results and progress.
            console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        logging.Services.TryAddEnumerable(ServiceDescriptor.Singleton<ConsoleFormatter, LogFormatter>());
        logging.SetMinimumLevel((LogLevel)options.Level);
        // Without requests and steps of the host.
        logging.AddFilter("Microsoft", LogLevel.Warning);
    }

    private static void AddServices(IServiceCollection services, LoadedConfig config, TextWriter? console)
    {
        var options = config.Options;
        services.AddSingleton(config).AddSingleton(options).AddSingleton<CurrentConfig>();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(_ => new PipelineMetrics { LabelsMax = options.Telemetry.LabelsMax });
        MetricsPage.Add(services);
        services.AddSingleton<HostMetrics>().AddSingleton<MqttStatus>().AddSingleton<RunState>();
        services.AddSingleton<LogTail>();
        services.AddSingleton<FramePool>().AddSingleton<TensorPool>().AddSingleton<Heartbeats>();
        services.AddSingleton<OpenSource>(s => (camera, settings, onStatus) => SourceFactory.Create(
            camera, settings.Source, s.GetRequiredService<FramePool>(), s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<ILoggerFactory>(), onStatus, OpenCv.Decoder));
        services.AddSingleton<Engine>().AddSingleton<CameraFleet>();
        services.AddSingleton<Health>().AddHostedService(s => s.GetRequiredService<Health>());
        services.AddHostedService<PipelineService>();
        services.AddHostedService<OverloadWatch>();
        services.AddSingleton<ConfigReloader>().AddHostedService(s => s.GetRequiredService<ConfigReloader>());
        services.AddSingleton(s => ServiceManager.FromEnvironment(s.GetRequiredService<TimeProvider>()));
        services.AddHostedService<ServiceManagerLoop>();
        if (options.Http.Page)
            services.AddSingleton<LiveView>().AddSingleton<ICameraViewer>(s => s.GetRequiredService<LiveView>())
                .AddSingleton<PageAnswers>()
                .AddSingleton<LiveResponses>().AddSingleton<PictureResponses>().AddSingleton<PageEndpoints>();
        if (console is not null)
            services.AddHostedService(s => ActivatorUtilities.CreateInstance<RunConsole>(s, console));
    }
}
