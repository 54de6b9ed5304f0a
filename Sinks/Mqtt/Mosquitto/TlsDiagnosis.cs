using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dvis.Streaming.Pipeline;

namespace Dvis.Streaming.Sinks.Mqtt.Mosquitto;

/// <summary>
/// Says what is wrong with a broker's certificate. The library only knows that something is; a second handshake, after which nothing is
/// sent, tells what. It never makes a connection good.
/// </summary>
internal static class TlsDiagnosis
{
    /// <returns><paramref name="outcome"/>, or a more exact one.</returns>
    public static async Task<MqttOutcome> ExplainAsync(MqttServer server, MqttTlsOptions tls, MqttOutcome outcome, CancellationToken cancel)
    {
        if (outcome.Fault != MqttFault.Tls || !tls.Verify) return outcome;
        MqttOutcome? exact = null;
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(server.Host, server.Port, cancel);
            await using var stream = new SslStream(client.GetStream());
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = server.Host,
                CertificateChainPolicy = ServerCertificate.Policy(tls.Ca),
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                {
                    exact = Judge(server, certificate as X509Certificate2, chain, errors);
                    return false;
                },
            };
            await stream.AuthenticateAsClientAsync(options, cancel);
        }
        catch (Exception e) when (e is AuthenticationException or IOException or SocketException or CryptographicException or OperationCanceledException)
        {
            // The certificate has been judged by now, or there is nothing to be learned of it.
        }

        return exact ?? outcome;
    }

    private static MqttOutcome? Judge(MqttServer server, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        ServerCertificate.Judge(server.Host, certificate, chain, errors) switch
        {
            (CertificateFault.UnknownAuthority, var detail) => new(MqttFault.TlsUnknownCa, detail),
            (CertificateFault.Expired, var detail) => new(MqttFault.TlsExpired, detail),
            (_, var detail) => new(MqttFault.TlsWrongHost, detail),
            null => null,
        };
}
