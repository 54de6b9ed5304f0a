using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>Notifications to systemd by sd_notify(3), as datagrams to its socket, if there is one.</summary>
internal sealed class ServiceManager : IDisposable
{
    private readonly Socket? _socket;
    private readonly TimeProvider _time;

    /// <param name="socket">Path, or with <c>@</c> the name of an abstract socket; null: none.</param>
    /// <param name="watchdog">Longest pause between two signs of life; null: no watchdog.</param>
    public ServiceManager(string? socket, TimeSpan? watchdog, TimeProvider time)
    {
        (Watchdog, _time) = (socket is null ? null : watchdog, time);
        if (socket is null) return;
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            _socket.Connect(new UnixDomainSocketEndPoint(socket.StartsWith('@') ? "\0" + socket[1..] : socket));
        }
        catch (SocketException)
        {
            _socket.Dispose();
            (_socket, Watchdog) = (null, null);
        }
    }

    /// <summary>Longest pause between two <see cref="Alive"/>; null: no watchdog.</summary>
    public TimeSpan? Watchdog { get; }

    public bool Listens => _socket is not null;

    /// <summary>Reads the variables of systemd and removes them from the environment of child processes.</summary>
    public static ServiceManager FromEnvironment(TimeProvider time)
    {
        var socket = Take("NOTIFY_SOCKET");
        var forUs = Take("WATCHDOG_PID") is not { } pid || pid == $"{Environment.ProcessId}";
        var watchdog = long.TryParse(Take("WATCHDOG_USEC"), CultureInfo.InvariantCulture, out var microseconds)
            && microseconds > 0 && forUs ? TimeSpan.FromMicroseconds(microseconds) : (TimeSpan?)null;
        return new ServiceManager(string.IsNullOrEmpty(socket) ? null : socket, watchdog, time);

        static string? Take(string name)
        {
            var value = Environment.GetEnvironmentVariable(name);
            Environment.SetEnvironmentVariable(name, null);
            return value;
        }
    }

    /// <summary>Reports that the start, or a reload, is complete.</summary>
    public void Ready() => Send("READY=1");

    /// <summary>Reports that a changed configuration is being taken over; <see cref="Ready"/> follows.</summary>
    public void Reloading() =>
        Send($"RELOADING=1\nMONOTONIC_USEC={(long)_time.GetElapsedTime(0).TotalMicroseconds}");

    public void Stopping() => Send("STOPPING=1");

    /// <summary>Sets the line of <c>systemctl status</c>.</summary>
    public void Status(string text) => Send($"STATUS={text.ReplaceLineEndings(" ")}");

    public void Alive() => Send("WATCHDOG=1");

    public void Dispose() => _socket?.Dispose();

    private void Send(string lines)
    {
        try
        {
            _socket?.Send(Encoding.UTF8.GetBytes(lines));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The queue of systemd is full, or it is restarting. The next message follows soon.
        }
    }
}
