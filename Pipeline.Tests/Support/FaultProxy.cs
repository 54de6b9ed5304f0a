using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>What a <see cref="FaultProxy"/> does to its connections.</summary>
internal enum Fault
{
    /// <summary>Passes everything on.</summary>
    None,

    /// <summary>Does not listen: connections are refused.</summary>
    Refuse,

    /// <summary>Accepts, and passes nothing on in either direction.</summary>
    HalfOpen,
}

/// <summary>
/// A TCP proxy on a free loopback port that spoils connections as told, at any moment: refusal, silence, latency,
/// little bandwidth, an end after so many bytes, resets, cut cables and flipped bits. Bytes keep their order. What is
/// set holds for the connections there are and for new ones.
/// </summary>
internal sealed class FaultProxy : IAsyncDisposable
{
    private readonly IPEndPoint _target;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<Pair> _pairs = [];
    private TcpListener? _listener;
    private Task _serving = Task.CompletedTask;
    private int _accepted;
    private volatile Fault _fault;

    private FaultProxy(int target) => _target = new(IPAddress.Loopback, target);

    public int Port { get; private set; }

    /// <summary>Connections accepted so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Wait before each chunk is passed on, in both directions.</summary>
    public TimeSpan Latency { get; set; }

    /// <summary>In each direction; 0: no limit.</summary>
    public int BytesPerSecond { get; set; }

    /// <summary>Ends each connection when so many bytes have gone to the client; null: never.</summary>
    public int? TruncateAfter { get; set; }

    /// <summary>Likewise for bytes from the client: in the middle of what it was sending.</summary>
    public int? TruncateFromClientAfter { get; set; }

    /// <summary>Every so many bytes towards the client one bit is wrong; 0: none.</summary>
    public int FlipEvery { get; set; }

    public static FaultProxy Start(int target)
    {
        var proxy = new FaultProxy(target);
        proxy.Listen();
        return proxy;
    }

    public string Mqtt => string.Create(CultureInfo.InvariantCulture, $"mqtt://127.0.0.1:{Port}");

    public string Rtsp(string path = "cam1") =>
        string.Create(CultureInfo.InvariantCulture, $"rtsp://127.0.0.1:{Port}/{path}");

    /// <summary>From now on. Connections that stand are kept: <see cref="Cut"/> or <see cref="Reset"/> them.</summary>
    public async Task SetAsync(Fault fault)
    {
        _fault = fault;
        if (fault == Fault.Refuse)
        {
            _listener?.Stop();
            await _serving;
            _listener = null;
        }
        else if (_listener is null) Listen();
    }

    /// <summary>All connections end now, in order (FIN).</summary>
    public void Cut() => EndAll(reset: false);

    /// <summary>All connections end now, rudely (RST).</summary>
    public void Reset() => EndAll(reset: true);

    /// <summary>Everything is as it should be again; connections that stand are kept.</summary>
    public Task HealAsync()
    {
        (Latency, BytesPerSecond, TruncateAfter, TruncateFromClientAfter, FlipEvery) =
            (TimeSpan.Zero, 0, null, null, 0);
        return SetAsync(Fault.None);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener?.Stop();
        EndAll(reset: true);
        await _serving;
        _stop.Dispose();
    }

    private void Listen()
    {
        // The same port again, whatever connections to it linger in the kernel.
        var listener = new TcpListener(IPAddress.Loopback, Port);
        listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        _listener = listener;
        _serving = ServeAsync(listener);
    }

    private async Task ServeAsync(TcpListener listener)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await listener.AcceptSocketAsync(_stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            Interlocked.Increment(ref _accepted);
            var pair = new Pair(client, new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            lock (_gate) _pairs.Add(pair);
            _ = RunAsync(pair);
        }
    }

    private async Task RunAsync(Pair pair)
    {
        try
        {
            while (_fault == Fault.HalfOpen)
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, _stop.Token);
            await pair.Server.ConnectAsync(_target, _stop.Token);
            pair.Client.NoDelay = pair.Server.NoDelay = true;
            using var client = new NetworkStream(pair.Client);
            using var server = new NetworkStream(pair.Server);
            await Task.WhenAny(PumpAsync(client, server, toClient: false), PumpAsync(server, client, toClient: true));
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException
            or ObjectDisposedException or InvalidOperationException)
        {
            // One side has gone: so goes the other.
        }
        finally
        {
            lock (_gate) _pairs.Remove(pair);
            pair.End(reset: false);
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, bool toClient)
    {
        var buffer = new byte[16 * 1024];
        long passed = 0;
        while (true)
        {
            var slow = BytesPerSecond > 0;
            var read = await from.ReadAsync(buffer.AsMemory(0, slow
                ? Math.Clamp(BytesPerSecond / 20, 1, buffer.Length)
                : buffer.Length), _stop.Token);
            while (_fault == Fault.HalfOpen)
                await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, _stop.Token);
            if (read == 0) return;
            if (Latency > TimeSpan.Zero) await Task.Delay(Latency, TimeProvider.System, _stop.Token);
            if (slow) await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, _stop.Token);
            if (toClient && FlipEvery is > 0 and var every)
                for (var i = every - 1 - (passed % every); i < read; i += every) buffer[i] ^= 0x10;
            var rest = (toClient ? TruncateAfter : TruncateFromClientAfter) - passed;
            await to.WriteAsync(buffer.AsMemory(0, (int)Math.Clamp(rest ?? read, 0, read)), _stop.Token);
            passed += read;
            if (rest <= read) return;
        }
    }

    private void EndAll(bool reset)
    {
        Pair[] pairs;
        lock (_gate) pairs = [.. _pairs];
        foreach (var pair in pairs) pair.End(reset);
    }

    private sealed record Pair(Socket Client, Socket Server)
    {
        public void End(bool reset)
        {
            foreach (var side in (Socket[])[Client, Server])
            {
                try
                {
                    if (reset) side.LingerState = new LingerOption(true, 0);
                    side.Dispose();
                }
                catch (Exception e) when (e is ObjectDisposedException or SocketException)
                {
                    // It had ended already.
                }
            }
        }
    }
}
