using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>Sink that writes each message as one line of JSON: the payloads of MQTT, never in parts, after a
/// <c>type</c> of <c>tracks</c>, <c>final</c>, <c>segments</c>, <c>segments_final</c> or <c>state</c>; events as
/// structured CloudEvents, which have a type of their own. Write errors of a file reach the caller; lines that standard
/// output cannot take are lost and counted.</summary>
public sealed class JsonLinesSink : IResultSink
{
    // For the last lines to be read from standard output.
    private static readonly TimeSpan s_flushLimit = TimeSpan.FromSeconds(1);

    private readonly JsonLinesOptions _options;
    private readonly TimeProvider _time;
    private readonly Encoders _encoders;
    private readonly Dictionary<string, CameraSequences> _sequences = [];
    private readonly Action<ReadOnlyMemory<byte>> _writeProvisional, _writeFinal;
    private RotatingFile? _file;
    private LineOutput? _stdout;
    private bool _durable; // the message that is being written
    private long _flushed;

    /// <exception cref="ArgumentException"><see cref="JsonLinesOptions.Path"/> is empty.</exception>
    public JsonLinesSink(JsonLinesOptions options, SinkContext context, TimeProvider time)
    {
        ArgumentException.ThrowIfNullOrEmpty(options.Path);
        (_options, _time, _encoders) = (options, time, new(context, time));
        var tracks = context.Model.Task == ModelTask.Vis;
        _writeProvisional = line =>
            WriteLine(tracks ? "{\"type\":\"tracks\","u8 : "{\"type\":\"segments\","u8, line.Span[1..]);
        _writeFinal = line =>
            WriteLine(tracks ? "{\"type\":\"final\","u8 : "{\"type\":\"segments_final\","u8, line.Span[1..]);
    }

    public string Name => "json_lines";

    public bool Lossless => _options.Lossless;

    /// <exception cref="IOException">The file cannot be opened for writing.</exception>
    public Task StartAsync(CancellationToken cancel)
    {
        if (_options.Path == "-") _stdout = LineOutput.Out;
        else _file = new(Path.GetFullPath(_options.Path!), _options.MaxBytes, _options.Keep);
        _flushed = _time.GetTimestamp();
        return Task.CompletedTask;
    }

    public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
    {
        if (message is CamerasChanged) return ValueTask.CompletedTask;
        var sequences = CameraSequences.Of(_sequences, message.Camera);
        _durable = Lossless || message.IsDurable;
        if (Lossless) _stdout?.AwaitRoom(cancel);
        var now = Moment.Now(_time);
        var options = new EncodeOptions(int.MaxValue, Masks: _options.Masks);
        switch (message)
        {
            case ProvisionalResult result:
                _encoders.Provisional.Encode(result, sequences.Tracks, now, options, _writeProvisional);
                break;
            case FinalResult result:
                _encoders.Final.Encode(result, sequences.Final, now, options, _writeFinal);
                break;
            case LifecycleEvent e:
                WriteLine(default, _encoders.Events.Encode(e, sequences.Events, now, structured: true).Span);
                break;
            case CameraStatus status:
                WriteLine("{\"type\":\"state\","u8, _encoders.State.Encode(status, sequences.State, now).Span[1..]);
                break;
        }

        if (_time.GetElapsedTime(_flushed) >= _options.FlushInterval) Flush();
        return ValueTask.CompletedTask;
    }

    public Task FlushAsync(CancellationToken cancel)
    {
        Flush();
        _stdout?.Flush(s_flushLimit);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _file?.Dispose();
        _encoders.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Flush()
    {
        _flushed = _time.GetTimestamp();
        _file?.Flush();
    }

    private void WriteLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> rest)
    {
        _file?.WriteLine(prefix, rest);
        _stdout?.Post([.. prefix, .. rest, (byte)'\n'], _durable);
    }
}
