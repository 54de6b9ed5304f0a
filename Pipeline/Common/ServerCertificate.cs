using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>What is wrong with a server's certificate.</summary>
public enum CertificateFault { UnknownAuthority, Expired, WrongHost }

/// <summary>How certificates of TLS servers are verified, and what is said about those that fail.</summary>
public static class ServerCertificate
{
    /// <param name="ca">PEM file of the authorities to trust; null: those of the system.</param>
    /// <exception cref="CryptographicException">The file holds no certificate.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static X509ChainPolicy Policy(string? ca)
    {
        // A certificate must not make us call the addresses it names.
        var policy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        if (ca is null) return policy;
        policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        policy.CustomTrustStore.ImportFromPemFile(ca);
        return policy.CustomTrustStore.Count > 0 ? policy : throw new CryptographicException($"{ca} holds no certificate");
    }

    /// <summary>What <paramref name="errors"/> of a handshake mean; null: nothing that this knows.</summary>
    public static (CertificateFault Fault, string Detail)? Judge(string host, X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null) return null;
        var status = (chain?.ChainStatus ?? []).Aggregate(X509ChainStatusFlags.NoError, (all, s) => all | s.Status);
        // An authority of the same name and another key gives a bad signature.
        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid)) != 0)
            return (CertificateFault.UnknownAuthority, $"the certificate of {host} is signed by {certificate.Issuer}, which is not trusted");
        if ((status & X509ChainStatusFlags.NotTimeValid) != 0)
            return (CertificateFault.Expired, $"the certificate of {host}, or one above it, is not valid now; its own holds from {Day(certificate.NotBefore)} to {Day(certificate.NotAfter)}");
        return (errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0
            ? (CertificateFault.WrongHost, $"the certificate is for {certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false)}, not for {host}")
            : null;
    }

    private static string Day(DateTime time) => time.ToUniversalTime().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
