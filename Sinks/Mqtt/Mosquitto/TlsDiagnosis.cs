using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

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
            var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck };
            if (tls.Ca is not null)
            {
                policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
                policy.CustomTrustStore.ImportFromPemFile(tls.Ca);
            }

            using var client = new TcpClient();
            await client.ConnectAsync(server.Host, server.Port, cancel);
            await using var stream = new SslStream(client.GetStream());
            var options = new SslClientAuthenticationOptions
            {
                TargetHost = server.Host,
                CertificateChainPolicy = policy,
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

    private static MqttOutcome? Judge(MqttServer server, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null) return null;
        var status = (chain?.ChainStatus ?? []).Aggregate(X509ChainStatusFlags.NoError, (all, s) => all | s.Status);
        // An authority of the same name and another key gives a bad signature.
        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid)) != 0)
            return new(MqttFault.TlsUnknownCa, $"the certificate of {server.Host} is signed by {certificate.Issuer}, which is not trusted");
        if ((status & X509ChainStatusFlags.NotTimeValid) != 0)
            return new(MqttFault.TlsExpired, $"the certificate of {server.Host}, or one above it, is not valid now; its own holds from {Day(certificate.NotBefore)} to {Day(certificate.NotAfter)}");
        return (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0
            ? new(MqttFault.TlsWrongHost, $"the certificate is for {certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false)}, not for {server.Host}")
            : null;
    }

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
