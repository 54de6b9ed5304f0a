using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Speaks TLS on a free loopback port for a server that does not.</summary>
internal sealed class TlsFront : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly X509Certificate2 _certificate;
    private readonly int _target;
    private readonly Task _serving;
    private int _secured;

    /// <param name="name">Of <c>{name}.pem</c> and <c>{name}.key</c> in <paramref name="folder"/>.</param>
    /// <param name="port">0: a free one.</param>
    public TlsFront(int target, string folder, string name, int port = 0)
    {
        _listener = new(IPAddress.Loopback, port);
        (_target, _certificate) = (target, X509Certificate2.CreateFromPemFile(Path.Combine(folder, name + ".pem"),
            Path.Combine(folder, name + ".key")));
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _serving = ServeAsync();
    }

    public int Port { get; }

    /// <summary>Connections whose handshake the client completed and that said something.</summary>
    public int Secured => Volatile.Read(ref _secured);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Dispose();
        _certificate.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true) connections.Add(TalkAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task TalkAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            await using var secure = new SslStream(client.GetStream());
            await secure.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
            var first = new byte[4096];
            var read = await secure.ReadAsync(first, _stop.Token); // a client that does not like us hangs up here
            if (read == 0) return;
            Interlocked.Increment(ref _secured);
            using var server = new TcpClient();
            await server.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
            await server.GetStream().WriteAsync(first.AsMemory(0, read), _stop.Token);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            Task[] ways = [secure.CopyToAsync(server.GetStream(), both.Token), server.GetStream()
                .CopyToAsync(secure, both.Token)];
            await Task.WhenAny(ways);
            await both.CancelAsync();
            await Task.WhenAll(ways);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException
            or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
        {
            // One side has gone.
        }
    }
}
