using System.Net.Sockets;
using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Service;

/// <summary>The service manager's end of sd_notify: a datagram socket, and what came in.</summary>
internal sealed class NotifySocket : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly List<string> _messages = [];

    /// <param name="name">A path, or with <c>@</c> an abstract name.</param>
    public NotifySocket(string name)
    {
        Name = name;
        _socket.Bind(new UnixDomainSocketEndPoint(name.StartsWith('@') ? "\0" + name[1..] : name));
        _ = Task.Run(ReceiveAsync);
    }

    public string Name { get; }

    public IReadOnlyList<string> Messages
    {
        get { lock (_messages) return [.. _messages]; }
    }

    public int Count(string message) => Messages.Count(m => m == message);

    public Task WaitAsync(string message) =>
        Eventually.TrueAsync(() => Messages.Contains(message), $"{message}; heard: {string.Join(" | ", Messages)}");

    public void Dispose() => _socket.Dispose();

    private async Task ReceiveAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var read = await _socket.ReceiveAsync(buffer);
                lock (_messages) _messages.Add(Encoding.UTF8.GetString(buffer, 0, read));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The end of the test.
        }
    }
}
