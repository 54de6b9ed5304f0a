using System.Text.Json;

namespace Dvis.Streaming.Benchmarks;

/// <summary>
/// Reads what <c>mosquitto_sub -v -t 'dvis/v1/#'</c> printed and proves the contract on it: finals contiguous and in
/// order within an epoch, no epoch and no track id of one camera ever seen at another, sequence numbers without gaps.
/// </summary>
internal sealed class Transcript
{
    private readonly SortedDictionary<string, Camera> _cameras = [];
    private readonly List<string> _faults = [];

    public int Check(TextReader lines)
    {
        while (lines.ReadLine() is { } line)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space < 0 || line.IndexOf("/camera/", StringComparison.Ordinal) is var at && (at < 0 || at > space))
                continue;
            var topic = line[(at + 8)..space];
            var slash = topic.IndexOf('/', StringComparison.Ordinal);
            if (slash < 0) continue;
            var (name, kind) = (topic[..slash], topic[(slash + 1)..]);
            if (!_cameras.TryGetValue(name, out var camera)) _cameras[name] = camera = new Camera();
            if (kind is "tracks" or "tracks/final" or "state" or "events")
                Read(name, camera, kind, line[(space + 1)..]);
        }

        Compare();
        foreach (var (name, c) in _cameras)
        {
            Console.WriteLine(
                $"{name}: {c.Provisional} provisional, {c.Finals} final "
                + $"({string.Join(", ", c.Results.Select(r => $"{r.Value} {r.Key}"))}), {c.Events} events, "
                    + $"{c.Epochs.Count} epochs, {c.Ids.Count} ids");
            Console.WriteLine($"  states: {string.Join(" → ", c.States)}");
        }

        foreach (var fault in _faults.Take(20)) Console.WriteLine($"FAULT {fault}");
        Console.WriteLine(_faults.Count == 0 && _cameras.Count > 0
            ? "contract holds"
            : $"{_faults.Count} faults, {_cameras.Count} cameras");
        return _faults.Count == 0 && _cameras.Count > 0 ? 0 : 1;
    }

    private void Read(string name, Camera camera, string kind, string json)
    {
        JsonElement message;
        try
        {
            message = JsonDocument.Parse(json).RootElement;
        }
        catch (JsonException e)
        {
            _faults.Add($"{name}/{kind}: not JSON: {e.Message}");
            return;
        }

        switch (kind)
        {
            case "state":
                var state = $"{message.GetProperty("state").GetString()} ({message.GetProperty("reason").GetString()})";
                if (camera.States.Count == 0 || camera.States[^1] != state) camera.States.Add(state);
                break;
            case "events":
                camera.Events++;
                break;
            case "tracks":
                Sequence(name, kind, message, ref camera.TracksSeq);
                if (message.GetProperty("part").GetInt32() == 1) camera.Provisional++;
                Identify(camera, message);
                break;
            default:
                Sequence(name, kind, message, ref camera.FinalSeq);
                Identify(camera, message);
                Window(name, camera, message);
                break;
        }
    }

    private void Sequence(string name, string kind, JsonElement message, ref long last)
    {
        var seq = message.GetProperty("seq").GetInt64();
        if (last >= 0 && seq != last + 1) _faults.Add($"{name}/{kind}: seq {seq} after {last}");
        last = seq;
    }

    private static void Identify(Camera camera, JsonElement message)
    {
        camera.Epochs.Add(message.GetProperty("epoch").GetString()!);
        foreach (var track in message.GetProperty("tracks").EnumerateArray())
            camera.Ids.Add(track.GetProperty("id").GetString()!);
    }

    private void Window(string name, Camera camera, JsonElement message)
    {
        if (message.TryGetProperty("part", out var part) && part.GetInt32() > 1) return;
        camera.Finals++;
        var result = message.GetProperty("result").GetString()!;
        camera.Results[result] = camera.Results.GetValueOrDefault(result) + 1;
        var (epoch, window) = (message.GetProperty("epoch").GetString()!, message.GetProperty("window"));
        var (first, last) = (window.GetProperty("first_frame").GetInt64(), window.GetProperty("last_frame").GetInt64());
        if (camera.FinalThrough.TryGetValue(epoch, out var through) && first != through + 1)
            _faults.Add($"{name}: window {first}–{last} follows {through} in epoch {epoch}");
        if (last < first) _faults.Add($"{name}: window {first}–{last} is empty");
        camera.FinalThrough[epoch] = last;
    }

    private void Compare()
    {
        var owner = new Dictionary<string, string>();
        foreach (var (name, camera) in _cameras)
        {
            foreach (var epoch in camera.Epochs)
                if (!owner.TryAdd(epoch, name)) _faults.Add($"epoch {epoch} of {name} is also {owner[epoch]}'s");
            foreach (var id in camera.Ids)
                if (!camera.Epochs.Contains(id[..26])) _faults.Add($"id {id} of {name} belongs to no epoch of it");
        }
    }

    private sealed class Camera
    {
        public long Provisional, Finals, Events;
        public long TracksSeq = -1, FinalSeq = -1;
        public readonly HashSet<string> Epochs = [], Ids = [];
        public readonly SortedDictionary<string, long> Results = [];
        public readonly Dictionary<string, long> FinalThrough = [];
        public readonly List<string> States = [];
    }
}
