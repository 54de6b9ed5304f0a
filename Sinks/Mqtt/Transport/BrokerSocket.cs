using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Sinks.Mqtt.Transport;

/// <summary>TCP connection to a broker, inside verified TLS for <c>mqtts</c>. MQTTnet could make both, but does not
/// report which step failed, and its chain building downloads what a certificate names.</summary>
internal sealed class BrokerSocket : IDisposable
{
    private readonly Socket _socket;
    private readonly X509Certificate2? _own;

    private BrokerSocket(Socket socket, Stream stream, X509Certificate2? own)
        => (_socket, Stream, _own) = (socket, stream, own);

    /// <summary>Bytes in both directions; one reader and one writer at a time.</summary>
    public Stream Stream { get; }

    /// <summary>Attempts to connect. Expected failures are values.</summary>
    /// <returns>The connection, or null and the reason.</returns>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> ended the attempt.</exception>
    public static async Task<(BrokerSocket? Socket, MqttOutcome Outcome)> OpenAsync(
        MqttServer server, MqttTlsOptions tls, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        BrokerSocket? opened = null;
        try
        {
            // The system's resolver cannot be interrupted; it may end later, without effect.
            var addresses = await Dns.GetHostAddressesAsync(server.Host, cancel).WaitAsync(cancel);
            await socket.ConnectAsync(addresses, server.Port, cancel);
            socket.NoDelay = true;
            var plain = new NetworkStream(socket);
            if (!server.Tls) return (opened = new(socket, plain, null), new(MqttFault.Ok, ""));
            (opened, var outcome) = await SecureAsync(socket, plain, server.Host, tls, cancel);
            return (opened, outcome);
        }
        catch (SocketException e)
        {
            return (null, OfSocket(e));
        }
        finally
        {
            if (opened is null) socket.Dispose();
        }
    }

    /// <summary>Ends a direction, or both; what the broker sent before can still be read.</summary>
    public void Shutdown(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The connection has ended already.
        }
    }

    /// <summary>Closes the connection at once; reads and writes under way fail. Thread-safe.</summary>
    public void Dispose()
    {
        // First the socket, which ends the reads and writes under way.
        _socket.Dispose();
        Stream.Dispose();
        _own?.Dispose();
    }

    private static async Task<(BrokerSocket?, MqttOutcome)> SecureAsync(
        Socket socket, NetworkStream plain, string host, MqttTlsOptions tls, CancellationToken cancel)
    {
        X509ChainPolicy policy;
        X509Certificate2? own;
        SslStreamCertificateContext? context;
        try
        {
            policy = ServerCertificate.Policy(tls.Ca);
            (own, context) = OwnCertificate(tls);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return (null, new(MqttFault.Config, $"a file of mqtt.tls cannot be used: {e.Message}"));
        }

        try
        {
            var secure = await ServerCertificate.AuthenticateAsync(
                plain, host, policy, tls.Verify, context, isTrusted: null, cancel);
            return (new(socket, secure, own), new(MqttFault.Ok, ""));
        }
        catch (Exception e) when (e is AuthenticationException or IOException or SocketException)
        {
            own?.Dispose();
            return (null, e is CertificateException untrusted
                ? new(OfCertificate(untrusted.Fault), e.Message)
                : new(MqttFault.Tls, e.GetBaseException().Message));
        }
    }

    /// <summary>Client certificate and those above it in the same file; null when none is configured.</summary>
    private static (X509Certificate2?, SslStreamCertificateContext?) OwnCertificate(MqttTlsOptions tls)
    {
        if (tls.Cert is null) return default;
        var own = X509Certificate2.CreateFromPemFile(tls.Cert, tls.Key);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(tls.Cert);
        return (own, SslStreamCertificateContext.Create(own, chain, offline: true));
    }

    private static MqttOutcome OfSocket(SocketException e) => e.SocketErrorCode switch
    {
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain or SocketError.NoRecovery
            => new(MqttFault.UnknownHost, "name not known"),
        SocketError.ConnectionRefused => new(MqttFault.Refused, "connection refused"),
        _ => new(MqttFault.Refused, e.Message),
    };

    private static MqttFault OfCertificate(CertificateFault fault) => fault switch
    {
        CertificateFault.UnknownAuthority => MqttFault.TlsUnknownCa,
        CertificateFault.Expired => MqttFault.TlsExpired,
        _ => MqttFault.TlsWrongHost,
    };
}
