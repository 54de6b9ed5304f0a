using System.Globalization;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>Faults of a server's certificate.</summary>
public enum CertificateFault { UnknownAuthority, Expired, WrongHost }

/// <summary>Failure to trust the certificate of a TLS server; the message is a clause without secrets.</summary>
public sealed class CertificateException(CertificateFault fault, string message, Exception inner)
    : AuthenticationException(message, inner)
{
    public CertificateFault Fault { get; } = fault;
}

/// <summary>TLS handshakes of a client and its rules for the certificate of the server.</summary>
public static class ServerCertificate
{
    /// <summary>Begins TLS on a connection, which stays the caller's on failure.</summary>
    /// <param name="verify">False accepts any certificate.</param>
    /// <param name="own">Certificate of the client; null: none.</param>
    /// <param name="isTrusted">Accepts a certificate that the rules reject; null: none is accepted.</param>
    /// <exception cref="CertificateException">The certificate is not trusted.</exception>
    /// <exception cref="AuthenticationException">The handshake failed.</exception>
    /// <exception cref="IOException">The connection ended.</exception>
    public static async Task<SslStream> AuthenticateAsync(
        Stream plain, string host, X509ChainPolicy policy, bool verify, SslStreamCertificateContext? own,
        Func<X509Certificate, bool>? isTrusted, CancellationToken cancel)
    {
        (CertificateFault Fault, string Detail)? judged = null;
        var secure = new SslStream(plain);
        try
        {
            await secure.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = host,
                CertificateChainPolicy = policy,
                ClientCertificateContext = own,
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                {
                    if (errors == SslPolicyErrors.None || !verify) return true;
                    if (certificate is not null && isTrusted?.Invoke(certificate) == true) return true;
                    judged = Judge(host, certificate as X509Certificate2, chain, errors);
                    return false;
                },
            }, cancel);
            return secure;
        }
        catch (Exception e)
        {
            await secure.DisposeAsync();
            if (judged is { } fault && (e is AuthenticationException or IOException))
                throw new CertificateException(fault.Fault, fault.Detail, e);
            throw;
        }
    }

    /// <param name="ca">PEM file of the authorities to trust; null: those of the system.</param>
    /// <exception cref="CryptographicException">The file holds no certificate.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static X509ChainPolicy Policy(string? ca)
    {
        // A certificate must not cause connections to addresses that it names.
        X509ChainPolicy policy = new()
        { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (ca is null) return policy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.ImportFromPemFile(ca);
        return policy.CustomTrustStore.Count > 0
            ? policy
            : throw new CryptographicException($"{ca} holds no certificate");
    }

    /// <summary>Fault that the errors of a handshake mean, or null.</summary>
    private static (CertificateFault Fault, string Detail)? Judge(
        string host, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null) return null;
        var status = (chain?.ChainStatus ?? []).Aggregate(X509ChainStatusFlags.NoError, (all, s) => all | s.Status);
        // An authority of the same name and another key gives a bad signature.
        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain
            | X509ChainStatusFlags.NotSignatureValid)) != 0)
            return (CertificateFault.UnknownAuthority,
                $"the certificate of {host} is signed by {certificate.Issuer}, which is not trusted");
        if ((status & X509ChainStatusFlags.NotTimeValid) != 0)
            return (CertificateFault.Expired,
                $"the certificate of {host}, or one above it, is not valid now; its own holds from "
                + $"{Day(certificate.NotBefore)} to {Day(certificate.NotAfter)}");
        return (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0
            ? (CertificateFault.WrongHost,
                $"the certificate is for {certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false)}, not for "
                + $"{host}")
            : null;
    }

    private static string Day(DateTime time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
