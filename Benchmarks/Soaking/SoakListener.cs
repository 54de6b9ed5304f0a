using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Dvis.Streaming.Benchmarks.Soaking;

/// <summary>
/// A subscriber beside the daemon (mosquitto_sub): latencies of each minute, and whether finals are contiguous and in
/// order within their epochs. Its session outlives the broker, so that no final may be missing; a repeated one is
/// allowed (QoS 1).
/// </summary>
internal sealed class SoakListener(int port) : IAsyncDisposable
{
    private readonly Dictionary<string, long> _through = [];
    private readonly List<string> _faults = [];
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private List<double> _provisional = [], _final = [];
    private Task _listening = Task.CompletedTask;

    public long Provisional { get; private set; }

    public long Finals { get; private set; }

    public long Repeated { get; private set; }

    public int Epochs => _through.Count;

    public IReadOnlyList<string> Faults => _faults;

    public void Start() => _listening = ListenAsync();

    /// <summary>Milliseconds since the last call:
    /// 50th and 99th percentile of provisional and final results; NaN without any.</summary>
    public (double P50, double P99, double FinalP50, double FinalP99) Minute()
    {
        lock (_lock)
        {
            var answer = (Percentile(_provisional, 0.5), Percentile(_provisional, 0.99), Percentile(_final,
                0.5), Percentile(_final, 0.99));
            (_provisional, _final) = ([], []);
            return answer;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listening;
        _stop.Dispose();
    }

    /// <summary>mosquitto_sub ends with the broker it knows; another one takes up its session.</summary>
    private async Task ListenAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var start =
                new ProcessStartInfo("mosquitto_sub") { RedirectStandardOutput = true, RedirectStandardError = true };
            foreach (var argument in (string[])["-h", "127.0.0.1", "-p", $"{port}", "-c", "-i", "soak", "-q", "1", "-v",
                "-t", "dvis/v1/soak/camera/+/tracks/#"]) start.ArgumentList.Add(argument);
            using var process = Process.Start(start)!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            using var end = _stop.Token.Register(() => Kill(process));
            while (await process.StandardOutput.ReadLineAsync() is { } line) Read(line);
            await process.WaitForExitAsync();
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, _stop.Token));
        }
    }

    private static void Kill(Process process)
    {
        if (!process.HasExited) process.Kill();
    }

    private void Read(string line)
    {
        var space = line.IndexOf(' ', StringComparison.Ordinal);
        if (space < 0) return;
        using var message = JsonDocument.Parse(line[(space + 1)..]);
        var root = message.RootElement;
        var final = line.AsSpan(0, space).EndsWith("/final", StringComparison.Ordinal);
        lock (_lock)
        {
            if (final && !Follows(root)) return;
            if (final) Finals++;
            else Provisional++;
            if (!root.TryGetProperty("historical", out _))
                (final ? _final : _provisional).Add(root.GetProperty("latency_ms").GetProperty("total").GetDouble());
        }
    }

    private bool Follows(JsonElement final)
    {
        if (final.TryGetProperty("part", out var part) && part.GetInt32() > 1) return false;
        var (epoch, window) = (final.GetProperty("epoch").GetString()!, final.GetProperty("window"));
        var (first, last) = (window.GetProperty("first_frame").GetInt64(), window.GetProperty("last_frame").GetInt64());
        if (_through.TryGetValue(epoch, out var through))
        {
            if (last <= through)
            {
                Repeated++;
                return false;
            }

            if (first != through + 1)
                _faults.Add(string.Create(CultureInfo.InvariantCulture,
                    $"epoch {epoch}: frames {first}-{last} after {through}"));
        }

        _through[epoch] = last;
        return true;
    }

    private static double Percentile(List<double> values, double share)
    {
        if (values.Count == 0) return double.NaN;
        values.Sort();
        return values[Math.Min(values.Count - 1, (int)Math.Ceiling(share * values.Count) - 1)];
    }
}
