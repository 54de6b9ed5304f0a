using System.Collections.Concurrent;
using System.Collections.Immutable;
using Dvis.Streaming.Hosting.Cameras;
using Dvis.Streaming.Hosting.Configuration;
using Dvis.Streaming.Hosting.State;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Results;
using Microsoft.Extensions.Logging;

namespace Dvis.Streaming.Hosting.Page.Live;

/// <summary>
/// Sink of the live page: hands frames and results of the cameras to their viewers. Without viewers it only keeps the
/// tracks and events of each camera. Thread-safe.
/// </summary>
internal sealed class LiveView(
    StreamingOptions options, RunState state, FramePool pool, TimeProvider time, ILogger<LiveView> logger)
    : ICameraViewer
{
    /// <summary>Viewers at a time: most of the 64 connections stay for others.</summary>
    public const int MaxViewers = 24;

    private static readonly TimeSpan s_statusInterval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, LiveCamera> _cameras = new();
    private readonly Lock _gate = new(); // for writers of the two below
    private ImmutableArray<LiveViewer> _viewers = [];
    private ITimer? _timer;

    public string Name => "page";

    public bool Lossless => false;

    public int ViewerCount => Viewers.Length;

    /// <summary>Pictures encoded so far, of all cameras.</summary>
    public long Encoded => _cameras.Values.Sum(c => c.Encoded);

    // One reader among several fields may see the array that another thread replaces.
    private ImmutableArray<LiveViewer> Viewers => ImmutableInterlocked.InterlockedCompareExchange(
        ref _viewers, default, default);

    /// <summary>What is known of a camera's tracks and events; null before its first message.</summary>
    public LiveCamera? Find(string camera) => _cameras.GetValueOrDefault(camera);

    /// <returns>False: there are too many.</returns>
    public bool TryAdd(LiveViewer viewer)
    {
        lock (_gate)
        {
            if (_viewers.Length == MaxViewers) return false;
            Set(_viewers.Add(viewer));
            // At once: the new viewer has no states yet.
            _timer ??= time.CreateTimer(_ => TellAll(), null, Timeout.InfiniteTimeSpan, s_statusInterval);
            _timer.Change(TimeSpan.Zero, s_statusInterval);
            return true;
        }
    }

    public void Remove(LiveViewer viewer)
    {
        lock (_gate)
        {
            Set(_viewers.Remove(viewer));
            if (!_viewers.IsEmpty) return;
            _timer?.Dispose();
            _timer = null;
        }
    }

    public void Watch(Frame frame) => Open(frame.Info.Camera).Watch(frame);

    public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
    {
        switch (message)
        {
            case ProvisionalResult result:
                Open(message.Camera).Publish(result);
                break;
            case FinalResult result:
                Open(message.Camera).Publish(result);
                break;
            case LifecycleEvent e:
                Report(e);
                break;
            case CameraStatus:
                Tell(message.Camera);
                break;
            case CamerasChanged changed:
                foreach (var gone in _cameras.Keys.Except(changed.Cameras.Select(c => c.Name)).ToList())
                    _cameras.TryRemove(gone, out _);
                break;
        }

        return ValueTask.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;

    public Task FlushAsync(CancellationToken cancel) => Task.CompletedTask;

    public ValueTask DisposeAsync()
    {
        lock (_gate) _timer?.Dispose();
        return ValueTask.CompletedTask;
    }

    private LiveCamera Open(string name)
    {
        if (_cameras.TryGetValue(name, out var known)) return known;
        lock (_gate)
        {
            return _cameras.GetOrAdd(name, _ => new LiveCamera(name, options.Http.Images, pool, state, time, logger)
            {
                Viewers = Of(name),
            });
        }
    }

    // Under _gate.
    private void Set(ImmutableArray<LiveViewer> viewers)
    {
        ImmutableInterlocked.InterlockedExchange(ref _viewers, viewers);
        foreach (var (name, camera) in _cameras) camera.Viewers = Of(name);
    }

    private ImmutableArray<LiveViewer> Of(string camera) => [.. _viewers.Where(v => v.Wants(camera))];

    private void Report(LifecycleEvent e)
    {
        var record = EventRecord.Of(e, state.Model?.Manifest);
        Open(e.Camera).History.Add(e, record);
        var viewers = Viewers;
        if (viewers.IsEmpty) return;
        var json = LiveJson.Write(record);
        foreach (var viewer in viewers)
            if (viewer.Wants(e.Camera)) viewer.Report(e.Camera, json);
    }

    private void TellAll()
    {
        foreach (var board in state.Cameras) Tell(board);
    }

    private void Tell(string camera)
    {
        if (state.Cameras.FirstOrDefault(c => c.Name == camera) is { } board) Tell(board);
    }

    private void Tell(CameraBoard board)
    {
        var viewers = Viewers.Where(v => v.Wants(board.Name)).ToList();
        if (viewers.Count == 0) return;
        var json = LiveJson.Write(CameraView.Of(board, time));
        foreach (var viewer in viewers) viewer.Tell(board.Name, json);
    }
}
