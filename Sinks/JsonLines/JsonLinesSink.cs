using Dvis.Streaming.Pipeline.Delivery;
using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Sinks.Payloads;

namespace Dvis.Streaming.Sinks.JsonLines;

/// <summary>
/// Every message as one line of JSON: the payloads of MQTT, never in parts, after a <c>type</c> of <c>tracks</c>,
/// <c>final</c>, <c>segments</c>, <c>segments_final</c> or <c>state</c>; events as structured CloudEvents, whose type
/// is theirs. Write errors reach the caller.
/// </summary>
public sealed class JsonLinesSink : IResultSink
{
    private readonly JsonLinesOptions _options;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, Sequences> _sequences;
    private readonly ProvisionalEncoder _provisional;
    private readonly FinalEncoder _final;
    private readonly EventEncoder _events;
    private readonly StateEncoder _state;
    private readonly Action<ReadOnlyMemory<byte>> _writeProvisional, _writeFinal;
    private RotatingFile? _file;
    private Stream? _stdout;
    private long _flushed;

    /// <exception cref="ArgumentException"><see cref="JsonLinesOptions.Path"/> is empty.</exception>
    public JsonLinesSink(JsonLinesOptions options, SinkContext context, TimeProvider time)
    {
        ArgumentException.ThrowIfNullOrEmpty(options.Path);
        (_options, _time) = (options, time);
        var envelope = new Envelope(context, time);
        (_provisional, _final, _events, _state) = (new(envelope), new(envelope), new(context, envelope), new(envelope));
        var segments = envelope.Task != ModelTask.Vis;
        _sequences = context.Cameras.ToDictionary(c => c.Name, _ => new Sequences());
        _writeProvisional = line =>
            WriteLine(segments ? "{\"type\":\"segments\","u8 : "{\"type\":\"tracks\","u8, line.Span[1..]);
        _writeFinal = line =>
            WriteLine(segments ? "{\"type\":\"segments_final\","u8 : "{\"type\":\"final\","u8, line.Span[1..]);
    }

    public string Name => "json_lines";

    public bool Lossless => _options.Lossless;

    /// <exception cref="IOException">The file cannot be opened for writing.</exception>
    public Task StartAsync(CancellationToken cancel)
    {
        if (_options.Path == "-") _stdout = Console.OpenStandardOutput();
        else _file = new(Path.GetFullPath(_options.Path!), _options.MaxBytes, _options.Keep);
        // A path that cannot be written is a mistake to report at the start, not at the first result.
        _file?.EnsureOpen();
        _flushed = _time.GetTimestamp();
        return Task.CompletedTask;
    }

    public ValueTask PublishAsync(PipelineMessage message, CancellationToken cancel)
    {
        if (message is CamerasChanged changed)
        {
            Apply(changed);
            return ValueTask.CompletedTask;
        }

        var sequences = _sequences[message.Camera];
        var now = Moment.Now(_time);
        var options = new EncodeOptions(int.MaxValue, Masks: _options.Masks);
        switch (message)
        {
            case ProvisionalResult result:
                _provisional.Encode(result, sequences.Tracks, now, options, _writeProvisional);
                break;
            case FinalResult result:
                _final.Encode(result, sequences.Final, now, options, _writeFinal);
                break;
            case LifecycleEvent e:
                WriteLine(default, _events.EncodeStructured(e, sequences.Events, now).Span);
                break;
            case CameraStatus status:
                WriteLine("{\"type\":\"state\","u8, _state.Encode(status, sequences.State, now).Span[1..]);
                break;
        }

        if (_time.GetElapsedTime(_flushed) >= _options.FlushInterval) Flush();
        return ValueTask.CompletedTask;
    }

    public Task FlushAsync(CancellationToken cancel)
    {
        Flush();
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _file?.Dispose();
        _provisional.Dispose();
        _final.Dispose();
        _events.Dispose();
        _state.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Apply(CamerasChanged changed)
    {
        var names = changed.Cameras.Select(c => c.Name).ToHashSet();
        foreach (var gone in _sequences.Keys.Where(name => !names.Contains(name)).ToList()) _sequences.Remove(gone);
        foreach (var name in names) _sequences.TryAdd(name, new Sequences());
    }

    private void Flush()
    {
        _flushed = _time.GetTimestamp();
        _file?.Flush();
        _stdout?.Flush();
    }

    private void WriteLine(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> rest)
    {
        _file?.WriteLine(prefix, rest);
        _stdout?.Write([.. prefix, .. rest, (byte)'\n']);
    }

    private sealed class Sequences
    {
        public Sequence Tracks { get; } = new();

        public Sequence Final { get; } = new();

        public Sequence Events { get; } = new();

        public Sequence State { get; } = new();
    }
}
